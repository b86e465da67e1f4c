"""From checked rows to answers: the model, the events about it, the metrics. One call for all requests of a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mlsandbox_serving.prediction_events import PredictionEvents
from mlsandbox_serving.record import Identity
from mlsandbox_serving.schema import Columns, SchemaMismatch
from mlsandbox_serving.service.answers import Answers, Encode
from mlsandbox_serving.service.batching import Outcome, Question
from mlsandbox_serving.service.exchange import Answer
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.refusal import RequestRefused

if TYPE_CHECKING:
    from mlsandbox_serving.service.predicting import Predicted, Served


class Events(Protocol):
    """Where packed events go; spool.writer.SpoolWriter."""

    def append_payloads(self, payloads: Sequence[bytes | None]) -> int:
        """Write events, or count them as dropped; how many are written. Never raises."""


class ModelAnswers:
    """Answers batches of one loaded model; see batching.Answering.

    Args:
        served: the model.
        identity: named in answers.
        events: packs the event of each answer.
        spool: takes them; None keeps none.
        measures: the service's metrics.
        inline: whether the model may be asked in another thread than the one that loaded it.
    """

    def __init__(
        self, served: Served, identity: Identity, *, events: PredictionEvents, spool: Events | None, measures: Measures, inline: bool
    ) -> None:
        self.batches = served.alone is None
        self.inline = inline
        self.seconds = served.cost.seconds
        self._served = served
        self._identity = identity
        self._events = events
        self._spool = spool
        self._measures = measures
        self._classes: Sequence[Any] | None = served.schema.output.classes
        self._by_class = served.schema.output.type == "class"

    def answer(self, questions: Sequence[Question]) -> Sequence[Outcome]:
        """One outcome for each question; their events are in the spool when this returns.

        Raises:
            FailedTogether: the model fails on these requests in one batch; nothing was written.
        """
        parts, encodes, outcomes = self._decoded(questions)
        if not parts:
            return outcomes
        started = time.perf_counter()
        try:
            outcome = self._served.predict(parts)
        finally:
            self._measures.model_ran(sum(part.rows for part in parts), len(parts), time.perf_counter() - started)
        payloads: list[bytes | None] = []
        rows: list[int] = []
        predictions: list[Any] = []
        place = 0
        for index, question in enumerate(questions):
            if outcomes[index] is not None:
                continue
            predicted, encode = outcome.answers[place], encodes[place]
            place += 1
            if isinstance(predicted, RequestRefused):
                outcomes[index] = predicted
                continue
            if question.over:  # it took too long, and its client was told so
                continue
            outcomes[index] = self._written(question, predicted, encode, payloads)
            rows.append(predicted.columns.rows)
            predictions += predicted.predictions
        if self._spool is not None and payloads:
            self._spool.append_payloads(payloads)
        if rows:
            self._measures.predicted(rows, predictions, () if outcome.scores is None else outcome.scores, by_class=self._by_class)
        return outcomes

    def decoded(self, decode: Callable[[], tuple[Columns, Encode]]) -> tuple[Columns, Encode]:
        """What `decode` makes of a body.

        Raises:
            RequestRefused: it is not what the model takes.
        """
        try:
            return decode()
        except SchemaMismatch as mismatch:
            raise self._served.refused(mismatch) from None

    def _decoded(self, questions: Sequence[Question]) -> tuple[list[Columns], list[Encode], list[Any]]:
        """The input of each question that has one, and the outcome of each that has none."""
        parts: list[Columns] = []
        encodes: list[Encode] = []
        outcomes: list[Any] = []
        for question in questions:
            columns, encode = question.columns, question.encode
            try:
                if question.decode is not None:
                    columns, encode = self.decoded(question.decode)
            except RequestRefused as refused:
                outcomes.append(_untraced(refused))
                continue
            assert columns is not None  # noqa: S101 - or else it has `decode`
            assert encode is not None  # noqa: S101
            parts.append(columns)
            encodes.append(encode)
            outcomes.append(None)
        return parts, encodes, outcomes

    def _written(self, question: Question, predicted: Predicted, encode: Encode, payloads: list[bytes | None]) -> Outcome:
        facts, identity = question.facts, self._identity
        answers = Answers(predicted.predictions, predicted.probabilities, self._classes, identity.model, identity.version, facts.request_id)
        try:
            body = encode(answers)
        except RequestRefused as refused:  # the format has no words for these answers
            return _untraced(refused)
        except Exception as error:  # noqa: BLE001 - the others of the batch get their answers
            return error
        if self._spool is not None:
            payloads.append(self._events.payload(facts, predicted.columns, predicted.predictions, predicted.probabilities))
        return Answer(200, body, encode.content_type, encode.headers)


def _untraced(refused: RequestRefused) -> RequestRefused:
    """Without its traceback, which would lead back to it through what it is kept in, and keep the body until the collector comes."""
    refused.__traceback__ = refused.__context__ = None
    return refused
