"""Requests that arrive together go through the model together: no timer, no added wait; alone means alone.

What arrives in one turn of the event loop is one batch. A batch that is expected to be quick is answered in the loop's own thread,
a slow one in the model's thread, while the loop reads what comes next: that is the batch after. At most one of the two is at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.record import Facts
from mlsandbox_serving.service.answers import Encode
from mlsandbox_serving.service.deadlines import Deadlines
from mlsandbox_serving.service.exchange import Answer
from mlsandbox_serving.service.model_thread import ModelThread
from mlsandbox_serving.service.refusal import RequestRefused

if TYPE_CHECKING:
    from mlsandbox_serving.schema import Columns

INLINE_SECONDS: Final = 0.005
"""A batch that takes longer would keep the event loop from everything else for too long."""
SLOW_SECONDS: Final = 0.25
"""A model that takes so long for what was expected to be quick is not asked in the loop's thread again."""
MOST_ROWS: Final = 1_000
"""Rows that several requests have together in one batch; a larger request goes alone."""

_log = logging.getLogger(__name__)

Outcome = Answer | Exception


class FailedTogether(Exception):
    """A model failed on a batch of several requests; each half of it is asked for again, and so on down to the one that is at fault."""


@dataclass(eq=False, slots=True)
class Question:
    """A prediction request.

    Args:
        facts: of the request.
        decode: makes `columns` and `encode` of a body that is too large for the loop's thread.
        columns: the checked input; None until `decode` has run.
        encode: how the answer is written.
        tell: takes the outcome, once, in the event loop's thread.
        over: whether it was told.
        watched: whether it has a deadline.
        most: requests of the batches that it may be in.
    """

    facts: Facts
    decode: Callable[[], tuple[Columns, Encode]] | None
    columns: Columns | None
    encode: Encode | None
    tell: Callable[[Outcome], None]
    over: bool = False
    watched: bool = False
    most: int = sys.maxsize

    def settle(self, outcome: Outcome) -> None:
        """Tell the outcome, unless one was told already."""
        if not self.over:
            self.over = True
            self.tell(outcome)


class Answering(Protocol):
    """Answers batches; in any thread, one batch at a time."""

    batches: bool
    """Whether several requests may be answered together."""
    inline: bool
    """Whether the model may be asked in the loop's thread."""

    def seconds(self, rows: int) -> float:
        """How long so many rows take, about."""

    def answer(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """One outcome for each: what is sent, or RequestRefused.

        Raises:
            FailedTogether: some of them are at fault; nothing came of any.
        """


class Batcher:
    """Brings questions to the model.

    Args:
        thread: the model's.
        timeout: seconds from a request's first byte to its answer.
    """

    def __init__(self, thread: ModelThread, timeout: float) -> None:
        self._thread = thread
        self._timeout = timeout
        self._deadlines = Deadlines(timeout)
        self._waiting: deque[Question] = deque()
        self._answering: Answering | None = None
        self._scheduled = False
        self._busy = False
        self._since: float | None = None

    @property
    def waiting(self) -> int:
        """Questions that no batch has taken yet."""
        return len(self._waiting)

    @property
    def stuck(self) -> bool:
        """Whether the model has been at work on one batch for longer than any request waits: everybody gets 504 meanwhile."""
        return self._since is not None and time.monotonic() - self._since > 2 * self._timeout

    def open(self, answering: Answering) -> None:
        """From now on there is a model to ask."""
        self._answering = answering

    def ask(self, question: Question) -> None:
        """Bring a question to the model; its outcome is an answer, or RequestRefused, with 504 when it takes too long."""
        loop = asyncio.get_running_loop()
        self._waiting.append(question)
        if self._busy:
            self._watch(loop, question)
        self._schedule(loop)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled and not self._busy:
            self._scheduled = True
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        answering = self._answering
        if self._busy or answering is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + INLINE_SECONDS
        while self._waiting:
            batch, rows = self._next(answering)
            if not batch:
                continue
            if rows is None or rows > MOST_ROWS or not answering.inline or answering.seconds(rows) > INLINE_SECONDS:
                self._start(loop, answering, batch)
                return
            started = loop.time()
            self._settle(batch, _outcomes(answering, batch))
            if loop.time() - started > SLOW_SECONDS:
                _log.warning("the model took %.1f s for %d rows: it is asked in its own thread from now on", loop.time() - started, rows)
                answering.inline = False
            if self._waiting and loop.time() > until:
                self._schedule(loop)
                return

    def _next(self, answering: Answering) -> tuple[list[Question], int | None]:
        """What is asked next, and its rows: None when they are not known yet."""
        batch: list[Question] = []
        rows = 0
        most = sys.maxsize if answering.batches else 1
        while self._waiting:
            question = self._waiting[0]
            if question.over:  # given up
                self._waiting.popleft()
                continue
            size = None if question.columns is None else question.columns.rows
            most = min(most, question.most)
            if batch and (size is None or rows + size > MOST_ROWS or len(batch) >= most):
                break
            batch.append(self._waiting.popleft())
            if size is None:
                return batch, None
            rows += size
        return batch, rows

    def _start(self, loop: asyncio.AbstractEventLoop, answering: Answering, batch: list[Question]) -> None:
        """Let the model's thread answer; the loop goes on."""
        self._busy = True
        self._since = time.monotonic()
        for question in (*batch, *self._waiting):
            self._watch(loop, question)

        def done(future: asyncio.Future[Sequence[Outcome] | None]) -> None:
            self._busy = False
            self._since = None
            self._settle(batch, future.result())
            if self._waiting:
                self._turn()

        self._thread.submit(lambda: _outcomes(answering, batch)).add_done_callback(done)

    def _settle(self, batch: list[Question], outcomes: Sequence[Outcome] | None) -> None:
        if outcomes is None:
            for question in batch:
                question.most = (len(batch) + 1) // 2
            self._waiting.extendleft(reversed(batch))
            return
        for question, outcome in zip(batch, outcomes, strict=True):
            if question.watched:
                self._deadlines.discard(question)
            question.settle(outcome)

    def _watch(self, loop: asyncio.AbstractEventLoop, question: Question) -> None:
        if question.watched:
            return
        question.watched = True

        def expire() -> None:
            with contextlib.suppress(ValueError):  # it is not waiting any more, but at work
                self._waiting.remove(question)
            question.settle(_too_late(self._timeout))

        spent = (time.perf_counter_ns() - question.facts.started) / 1e9
        self._deadlines.add(question, loop.time() + self._timeout - spent, expire)


def _outcomes(answering: Answering, batch: list[Question]) -> Sequence[Outcome] | None:
    """None when the batch failed together."""
    try:
        return answering.answer(batch)
    except FailedTogether:
        return None
    except BaseException as error:  # noqa: BLE001 - each request must get an outcome, whatever happens
        fault = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        return [fault] * len(batch)


def _too_late(timeout: float) -> RequestRefused:
    return RequestRefused(
        504,
        ErrorCode.TIMEOUT,
        f"there is no answer after {timeout:g} s: send fewer rows at once, or raise [models.NAME.serving] timeout in sandbox.toml",
        details={"seconds": timeout},
    )
