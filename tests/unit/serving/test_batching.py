"""Requests that arrive together are answered together, and nobody waits for what is not theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from mlsandbox_serving.record import Facts
from mlsandbox_serving.schema import Columns
from mlsandbox_serving.service import batching
from mlsandbox_serving.service.answers import NO_HEADERS, Answers
from mlsandbox_serving.service.batching import INLINE_SECONDS, MOST_ROWS, Batcher, FailedTogether, Outcome, Question
from mlsandbox_serving.service.exchange import Answer
from mlsandbox_serving.service.model_thread import ModelThread
from mlsandbox_serving.service.refusal import RequestRefused


class Written:
    """A format."""

    content_type = "text/plain"
    headers = NO_HEADERS

    def __call__(self, answers: Answers) -> bytes:
        return repr(answers.predictions).encode()


class StandInAnswers:
    """Stands in for a model: answers each row with itself, and remembers the batches."""

    def __init__(self, *, seconds: float = 0.0, batches: bool = True, inline: bool = True) -> None:
        self.batches = batches
        self.inline = inline
        self.asked: list[list[int]] = []
        self.threads: list[str] = []
        self.hold: threading.Event | None = None
        self.failure: BaseException | None = None
        self.guilty: frozenset[str] = frozenset()
        self._seconds = seconds

    def seconds(self, rows: int) -> float:
        return self._seconds * rows

    def answer(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        self.asked.append([(question.columns.rows if question.columns else 0) for question in questions])
        self.threads.append(threading.current_thread().name)
        if self.hold is not None:
            assert self.hold.wait(60)
        if self.failure is not None:
            raise self.failure
        names = [question.facts.request_id for question in questions]
        if len(names) > 1 and self.guilty.intersection(names):
            raise FailedTogether
        return [Answer(200, question.facts.request_id.encode()) for question in questions]


def talk(answering: StandInAnswers, conversation: Callable[[Batcher], Awaitable[Any]], *, timeout: float = 60.0) -> Any:
    async def run() -> Any:
        thread = ModelThread()
        batcher = Batcher(thread, timeout)
        batcher.open(answering)
        try:
            return await asyncio.wait_for(conversation(batcher), 60)
        finally:
            thread.close()

    return asyncio.run(run())


def ask(batcher: Batcher, name: str, rows: int = 1, *, decoded: bool = True) -> asyncio.Future[Answer]:
    facts = Facts("POST", "/predict", name)
    columns = Columns({"x": [1.0] * rows}, rows)
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def tell(outcome: Outcome) -> None:
        future.set_exception(outcome) if isinstance(outcome, Exception) else future.set_result(outcome)

    if decoded:
        batcher.ask(Question(facts, None, columns, Written(), tell))
    else:
        batcher.ask(Question(facts, lambda: (columns, Written()), None, None, tell))
    return future


async def both(batcher: Batcher) -> list[bytes]:
    answers = await asyncio.gather(ask(batcher, "a"), ask(batcher, "b", 3))
    return [answer.body for answer in answers]


def test_requests_of_one_turn_are_one_batch() -> None:
    """Requests that arrive in one turn of the loop must reach the model in one call, each with its own answer, in the loop's thread."""
    model = StandInAnswers()
    assert talk(model, both) == [b"a", b"b"]
    assert model.asked == [[1, 3]]
    assert model.threads == [threading.current_thread().name]


def test_a_model_that_must_be_asked_alone_is() -> None:
    """Requests must be answered one by one by a model whose answers depend on the company."""
    model = StandInAnswers(batches=False)
    assert talk(model, both) == [b"a", b"b"]
    assert model.asked == [[1], [3]]


@pytest.mark.parametrize("model", [StandInAnswers(seconds=2 * INLINE_SECONDS), StandInAnswers(inline=False)], ids=["slow", "own thread"])
def test_what_is_slow_goes_to_the_models_thread(model: StandInAnswers) -> None:
    """A batch that takes long, or a model that knows its thread, must not keep the loop."""
    assert talk(model, both) == [b"a", b"b"]
    assert model.threads == ["model"]


def test_what_arrives_meanwhile_is_the_next_batch() -> None:
    """Requests that arrive while the model is at work must wait together, and the loop must go on."""
    model = StandInAnswers(seconds=1.0)
    model.hold = threading.Event()

    async def conversation(batcher: Batcher) -> list[int]:
        first = ask(batcher, "first")
        await until(lambda: bool(model.asked))
        later = [ask(batcher, f"later {number}") for number in range(5)]
        waiting = batcher.waiting
        assert model.hold is not None
        model.hold.set()
        await asyncio.gather(first, *later)
        return [waiting, batcher.waiting]

    assert talk(model, conversation) == [5, 0]
    assert model.asked == [[1], [1] * 5]


def test_a_batch_has_a_bound() -> None:
    """Many rows must be split into batches at requests' borders, and a large request must go alone."""
    model = StandInAnswers()

    async def conversation(batcher: Batcher) -> None:
        await asyncio.gather(*(ask(batcher, str(rows), rows) for rows in (MOST_ROWS, 1, MOST_ROWS - 1, 5 * MOST_ROWS, 2)))

    talk(model, conversation)
    assert model.asked == [[MOST_ROWS], [1, MOST_ROWS - 1], [5 * MOST_ROWS], [2]]


def test_a_large_body_is_decoded_in_the_models_thread_alone() -> None:
    """A request that is not decoded yet must go alone, to the model's thread, and keep its place."""
    model = StandInAnswers()

    async def conversation(batcher: Batcher) -> None:
        await asyncio.gather(ask(batcher, "a"), ask(batcher, "large", decoded=False), ask(batcher, "b"))

    talk(model, conversation)
    assert [len(batch) for batch in model.asked] == [1, 1, 1]
    assert model.threads[1] == "model"


def test_a_request_that_takes_too_long_is_given_up() -> None:
    """Requests at work and waiting must both get 504 after the limit, later ones must be answered again, and no answer come twice."""
    model = StandInAnswers(seconds=1.0)
    model.hold = threading.Event()

    async def conversation(batcher: Batcher) -> None:
        first = ask(batcher, "first")
        await until(lambda: bool(model.asked))
        second = ask(batcher, "second")
        for late in (first, second):
            with pytest.raises(RequestRefused) as refused:
                await late
            assert refused.value.failure.status == 504
        await until(lambda: batcher.stuck)
        assert model.hold is not None
        model.hold.set()
        assert not batcher.waiting
        await until(lambda: not batcher.stuck)
        assert (await ask(batcher, "third")).body == b"third"

    talk(model, conversation, timeout=0.05)
    assert model.asked == [[1], [1]]


def test_a_fault_is_told_to_each_request() -> None:
    """An exception of the answering itself must end every request of the batch, and the next batch must be answered."""
    model = StandInAnswers()

    async def conversation(batcher: Batcher) -> None:
        model.failure = LookupError("a fault")
        outcomes = await asyncio.gather(ask(batcher, "a"), ask(batcher, "b"), return_exceptions=True)
        assert list(outcomes) == [model.failure] * 2
        model.failure = None
        assert (await ask(batcher, "c")).body == b"c"

    talk(model, conversation)


@pytest.mark.parametrize("seconds", [0.0, 2 * INLINE_SECONDS], ids=["inline", "thread"])
def test_a_failing_batch_is_halved_down_to_the_one_at_fault(seconds: float) -> None:
    """Of a batch that fails the others must be answered, with few calls more, and the loop must go on between them."""
    model = StandInAnswers(seconds=seconds)
    model.guilty = frozenset({"17"})

    async def conversation(batcher: Batcher) -> list[bytes]:
        answers = await asyncio.gather(*(ask(batcher, str(number)) for number in range(64)))
        return [answer.body for answer in answers]

    assert talk(model, conversation) == [str(number).encode() for number in range(64)]
    assert [1] in model.asked
    assert len(model.asked) < 16


def test_an_exit_of_the_answering_is_a_fault_of_its_batch() -> None:
    """What is no Exception must not end the loop or leave requests without an outcome."""
    model = StandInAnswers()
    model.failure = SystemExit(3)

    async def conversation(batcher: Batcher) -> Any:
        return await asyncio.gather(ask(batcher, "a"), ask(batcher, "b"), return_exceptions=True)

    assert [str(outcome) for outcome in talk(model, conversation)] == ["SystemExit"] * 2


def test_many_rows_never_keep_the_loop() -> None:
    """A request of many rows must go to the model's thread, however little they were measured to take."""
    model = StandInAnswers()

    async def conversation(batcher: Batcher) -> None:
        await ask(batcher, "many", 100 * MOST_ROWS)

    talk(model, conversation)
    assert model.threads == ["model"]


def test_a_model_that_was_slow_once_leaves_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that held the loop for long, against what was measured, must be asked in its own thread from then on."""
    monkeypatch.setattr(batching, "SLOW_SECONDS", -1.0)  # every answer took long
    model = StandInAnswers()

    async def conversation(batcher: Batcher) -> None:
        await ask(batcher, "slow")
        await ask(batcher, "next")

    talk(model, conversation)
    assert model.threads == [threading.current_thread().name, "model"]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the model's thread tells nobody
        await asyncio.sleep(0)
