"""One worker's model and what happens with it: its state, its predictions, the events about them."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsandbox_serving.contract import ErrorCode, ModelKind, NotReady
from mlsandbox_serving.prediction_events import PredictionEvents
from mlsandbox_serving.record import (
    Facts,
    Failure,
    Privacy,
    described,
    error_event,
    feedback_events,
    stack_trace,
)
from mlsandbox_serving.service.answers import Encode
from mlsandbox_serving.service.batching import Batcher, Outcome, Question
from mlsandbox_serving.service.codecs import ARROW, Decode, decoders
from mlsandbox_serving.service.exchange import SMALL_BODY, Answer, json_answer
from mlsandbox_serving.service.feedback import decode_feedback
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.model_thread import ModelThread
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.readiness import LOADING, NotServable, State
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.settings import Settings
from mlsandbox_serving.service.surroundings import Spool, Workers

if TYPE_CHECKING:
    from mlsandbox_serving.schema import Columns
    from mlsandbox_serving.service.answering import ModelAnswers
    from mlsandbox_serving.service.oip.infer import InferDecoder
    from mlsandbox_serving.service.predicting import Served

_log = logging.getLogger(__name__)
_RETRY_SECONDS: Final = "1"
_LOOK_SECONDS: Final = 0.2
"""A stop is noticed so late where it is waited for something else."""
_NO_ROUTE: Final = "(not shown: no route)"
_OWN_CODE: Final = frozenset({ModelKind.PYTHON, ModelKind.MLFLOW})
_COLLECT: Final = (50_000, 20, 100)
"""Lists and the like that are more than were a moment ago before the collector looks. An answer to ten thousand rows makes as many and
drops them again, none of them in a cycle; the default of 700 looks through what there is a dozen times meanwhile."""


class Runtime:
    """Holds the model of one worker.

    Args:
        package: what is served.
        settings: of the service.
        model_folder: where the model's files are; asked in the model's thread.
        spool: for events; None keeps none.
        measures: the service's metrics.
        workers: of the service, this one among them; None when it is alone for good.
    """

    def __init__(
        self,
        package: Package,
        settings: Settings,
        *,
        model_folder: Callable[[], Path],
        spool: Spool | None,
        measures: Measures,
        workers: Workers | None = None,
    ) -> None:
        self.package = package
        self.settings = settings
        self.identity = package.identity
        self.measures = measures
        self._model_folder = model_folder
        self._spool = spool
        self._workers = workers
        self._thread = ModelThread()
        self._batcher = Batcher(self._thread, settings.timeout)
        self._one_feedback = asyncio.Semaphore(1)
        self._decoders: Mapping[str, Decode] = {}
        self._infer: InferDecoder | None = None
        self._answers: ModelAnswers | None = None
        self._state = LOADING
        self._loading: asyncio.Task[None] | None = None
        self._stopping = False
        self._privacy = Privacy(
            private=frozenset(package.manifest.get("private") or ()),
            hashed=frozenset(package.manifest.get("hashed") or ()),
            inputs=settings.log_inputs,
        )
        output = package.schema.get("output", {})
        self._classes = list(output.get("classes") or ()) if output.get("type") == "class" else None
        measures.name_classes(output.get("classes") or ())

    def start(self) -> None:
        """Begin to load the model; returns at once. Needs a running event loop."""
        self._loading = asyncio.get_running_loop().create_task(self._load())

    async def wait_behind_others(self) -> None:
        """Return at once, unless others answer for the service already: then once the model is loaded, or cannot be.

        A worker that takes a dead one's place accepts no connection until then, and those who can answer get them all.
        """
        loading = self._loading
        if loading is None or self._workers is None or not self._workers.ready_workers():
            return
        while not loading.done() and not self._stopping:
            await asyncio.wait({loading}, timeout=_LOOK_SECONDS)

    def begin_stop(self) -> None:
        """From now on /readyz says STOPPING; requests are still answered."""
        self._stopping = True

    def stop(self) -> None:
        """Nothing more comes: leave the spool."""
        self.begin_stop()
        self.measures.state(State(NotReady.STOPPING))
        self._thread.close()
        if self._loading is not None:
            self._loading.cancel()
        if self._spool is not None:
            self._spool.close()

    def state(self) -> State:
        """What /readyz says."""
        if self._stopping:
            return State(NotReady.STOPPING, "the service is stopping", golden=self._state.golden)
        if self._state.ready and self._batcher.stuck:
            stuck = f"the model has not answered for more than {2 * self.settings.timeout:g} s"
            return State(NotReady.MODEL_STUCK, stuck, golden=self._state.golden)
        if self._state.ready and self._spool is not None:
            reason = self._spool.writable()
            if reason is not None:
                return State(NotReady.SPOOL_UNWRITABLE, reason, golden=self._state.golden)
        if self._state.ready and self._workers is not None and self.settings.workers > 1:
            ready = self._workers.ready_workers()
            if ready < self.settings.workers:
                return State(NotReady.LOADING, f"{ready} of {self.settings.workers} workers are ready", golden=self._state.golden)
        return self._state

    def refuse_unless_served(self) -> None:
        """Raise when there is no model to ask, nor will be within the time of a request, as far as is known.

        Raises:
            RequestRefused: 503 with the reason.
        """
        if self._answers is None and not self._takes_a_place:
            raise self._not_ready()

    @property
    def _takes_a_place(self) -> bool:
        """Whether the model is being loaded that another worker of the service had loaded already: that takes a moment, and goes well."""
        return self._state is LOADING and self._workers is not None and self._workers.was_ready()

    async def _served(self, facts: Facts) -> ModelAnswers:
        """Who answers; waited for in a worker that takes another's place.

        Raises:
            RequestRefused: 503 with the reason.
        """
        if self._answers is None and self._loading is not None and self._takes_a_place:
            spent = (time.perf_counter_ns() - facts.started) / 1e9
            await asyncio.wait({self._loading}, timeout=max(0.0, self.settings.timeout - spent))
        if self._answers is None:
            raise self._not_ready()
        return self._answers

    def _not_ready(self) -> RequestRefused:
        headers = {} if self._state.final else {"retry-after": _RETRY_SECONDS}
        details = {"code": self._state.code, "final": self._state.final}
        return RequestRefused(503, ErrorCode.NOT_READY, f"not ready: {self._state.reason}", details=details, headers=headers)

    async def predict(self, facts: Facts, media_type: str, body: bytes, encode: Encode) -> Outcome:
        """Answer a prediction request, or say why not; the event of an answer is in the spool when this returns.

        Args:
            facts: of the request.
            media_type: one of codecs.MEDIA_TYPES.
            body: of the request.
            encode: writes the answer.

        Raises:
            RequestRefused: there is no model yet, or it does not take the body.
        """
        answers = self._answers or await self._served(facts)
        decode = self._decoders[media_type]
        return await self._ask(answers, facts, lambda: (decode(body), encode), here=_is_small(media_type, len(body)))

    async def infer(self, facts: Facts, body: bytes, header_length: int | None) -> Outcome:
        """As `predict`, for a request of the Open Inference Protocol.

        Args:
            facts: of the request.
            body: of the request.
            header_length: bytes of its JSON part, when binary tensors follow it.
        """
        answers = self._answers or await self._served(facts)
        infer = self._infer
        assert infer is not None  # noqa: S101 - there since before `answers`
        return await self._ask(answers, facts, lambda: infer(body, header_length), here=len(body) <= SMALL_BODY)

    @property
    def answers(self) -> bool:
        """Whether there is a model to ask."""
        return self._answers is not None

    def predict_soon(self, facts: Facts, media_type: str, body: bytes, encode: Encode, tell: Callable[[Outcome], None]) -> None:
        """As `predict`, for a small body and without waiting, once there is a model to ask.

        Args:
            facts: of the request.
            media_type: one of codecs.MEDIA_TYPES.
            body: of the request.
            encode: writes the answer.
            tell: takes the outcome, in the event loop's thread, if this raises nothing.

        Raises:
            RequestRefused: it is not what the model takes.
        """
        answers = self._answers
        if answers is None:
            raise self._not_ready()
        decode = self._decoders[media_type]
        if _is_small(media_type, len(body)):
            columns, encode = answers.decoded(lambda: (decode(body), encode))
            self._batcher.ask(Question(facts, None, columns, encode, tell))
        else:
            self._batcher.ask(Question(facts, lambda: (decode(body), encode), None, None, tell))

    async def _ask(self, answers: ModelAnswers, facts: Facts, decode: Callable[[], tuple[Columns, Encode]], *, here: bool) -> Outcome:
        # A refusal is a result and not raised: its traceback would lead back to it, and keep the body until the collector comes.
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def tell(outcome: Outcome) -> None:
            if not future.done():  # else whoever waited is gone
                future.set_result(outcome)

        if here:
            columns, encode = answers.decoded(decode)
            self._batcher.ask(Question(facts, None, columns, encode, tell))
        else:
            self._batcher.ask(Question(facts, decode, None, None, tell))
        return await future

    async def feedback(self, facts: Facts, body: bytes) -> Answer:
        """Take labels; their events are in the spool when this returns.

        Raises:
            RequestRefused: these are no labels, or they cannot be kept.
        """
        async with self._one_feedback:  # many large ones at once would keep everything else waiting
            return await asyncio.to_thread(self._feedback, facts, body)

    def failed(self, facts: Facts, failure: Failure) -> None:
        """Write the event of a request that gets no prediction."""
        self._append(error_event(self.identity, facts, failure), facts.timestamp)

    def without_path(self, facts: Facts) -> Facts:
        """Facts of a request for no route of ours, whose path may hold anything: it is written only where all texts are."""
        return facts if self._privacy.texts else replace(facts, path=_NO_ROUTE)

    def unlogged(self) -> None:
        """A refusal gets no event, as there are too many of its kind; it is counted among the dropped ones."""
        if self._spool is not None:
            self._spool.leave_out("flood")

    def flush_measures(self) -> None:
        """Make what was counted visible to /metrics."""
        self.measures.queued = self._batcher.waiting
        if self._spool is not None:
            self.measures.spooled(self._spool)
        self.measures.flush()

    def _feedback(self, facts: Facts, body: bytes) -> Answer:
        labels = decode_feedback(body, max_items=self.settings.max_rows)
        if self._spool is None:
            raise _unkept("the service keeps no events", final=True)
        events = feedback_events(self.identity, facts, labels)
        written = self._spool.append_many([(event, facts.timestamp) for event in events])
        if written < len(events):
            reason = self._spool.writable() or "the spool did not take them"
            raise _unkept(f"{written} of {len(events)} labels are kept, send all of them again: {reason}", final=False)
        content = {"accepted": written, "model": self.identity.model, "version": self.identity.version, "request_id": facts.request_id}
        return json_answer(202, content)

    def _append(self, event: Mapping[str, object], timestamp: float) -> None:
        if self._spool is not None:
            self._spool.append(event, timestamp)

    async def _load(self) -> None:
        try:
            served = await self._thread.submit(self._prepare)
        except NotServable as error:
            self._state = error.state
        except Exception as error:  # noqa: BLE001 - whatever it is, /readyz says so
            _log.error("the model cannot be served:\n%s", stack_trace(error, texts=True))
            self._state = State(NotReady.LOAD_FAILED, described(error, texts=True), final=True)
        else:
            self._serve(served)
            # What was made so far stays for good: the collector need not look at it for each request again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECT)
        self.measures.state(self._state)

    def _serve(self, served: Served) -> None:
        self._state = served.state
        events = PredictionEvents(self.identity, self._privacy, max_rows=self.settings.max_rows_per_event, classes=self._classes)
        kind = ModelKind(self.package.manifest["load"]["kind"])
        answering = import_module("mlsandbox_serving.service.answering")
        self._answers = answering.ModelAnswers(
            served,
            self.identity,
            events=events,
            spool=self._spool,
            measures=self.measures,
            # The user's own code may keep what only the thread that loaded it can use, such as a connection of sqlite3.
            inline=kind not in _OWN_CODE and not self.package.code.is_dir(),
        )
        self._batcher.open(self._answers)
        if self._workers is not None:
            self._workers.note_ready()
        for rows, seconds in served.cost.measured():
            self.measures.cost(rows, seconds)

    def _prepare(self) -> Served:
        if self._privacy.hashed:
            self._privacy = replace(self._privacy, key=_read_key(self.settings.hash_key_file))
        # Imports numpy and pandas: here, in the model's thread, while /livez is answered already.
        predicting = import_module("mlsandbox_serving.service.predicting")
        served: Served = predicting.prepare(self.package, self._model_folder(), self._privacy)
        self._decoders = decoders(served.schema, max_rows=self.settings.max_rows)
        infer = import_module("mlsandbox_serving.service.oip.infer")
        self._infer = infer.InferDecoder(served.schema, max_rows=self.settings.max_rows, classes=self._classes)
        return served


def _is_small(media_type: str, size: int) -> bool:
    """Whether a body is decoded in the event loop's thread; of what may be compressed its size says nothing."""
    return size <= SMALL_BODY and media_type != ARROW


def _unkept(message: str, *, final: bool) -> RequestRefused:
    details = {"code": NotReady.SPOOL_UNWRITABLE, "final": final}
    return RequestRefused(503, ErrorCode.NOT_READY, message, details=details, headers={} if final else {"retry-after": _RETRY_SECONDS})


def _read_key(file: Path | None) -> bytes:
    if file is None:
        raise ValueError("columns are to be logged as a keyed hash, and SANDBOX_HASH_KEY_FILE does not say where the key is")
    key = file.read_bytes().strip()
    if len(key) < 16:
        raise ValueError(f"the key of the keyed hash in {file} is shorter than 16 bytes")
    return key
