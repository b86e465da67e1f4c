"""The model inside the service: verified, loaded, held to its golden rows, asked.

Imports numpy, and with the model its framework: the service imports this module in the model's thread.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlsandbox_serving import golden, models
from mlsandbox_serving.contract import ErrorCode, ModelKind, NotReady
from mlsandbox_serving.models import ModelSpec, Prediction, Predictor
from mlsandbox_serving.models.feeding import Feed, choose_feed
from mlsandbox_serving.record import Privacy, described, stack_trace
from mlsandbox_serving.schema import Columns, Schema, SchemaMismatch
from mlsandbox_serving.service.batching import FailedTogether
from mlsandbox_serving.service.model_cost import NO_COST, Cost, measure, why_alone
from mlsandbox_serving.service.model_warnings import quiet_warnings
from mlsandbox_serving.service.package import DigestMismatch, Package
from mlsandbox_serving.service.readiness import NotServable, State
from mlsandbox_serving.service.refusal import RequestRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_LONGEST_MESSAGE = 500
_JSON_TYPES = frozenset({bool, int, str, type(None)})


@dataclass(frozen=True, slots=True)
class Predicted:
    """The answer to one request, as JSON values.

    Args:
        columns: the input.
        predictions: one value, or one list of values, per row.
        probabilities: one list per row in the order of the schema's classes; None when the model has none.
    """

    columns: Columns
    predictions: list[Any]
    probabilities: list[Any] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one batch.

    Args:
        answers: one for each request: what was predicted, or why it was not.
        scores: the highest probability of each predicted row.
        label_dtype: of what the model predicted; None when it predicted nothing.
    """

    answers: Sequence[Predicted | RequestRefused]
    scores: NDArray[Any] | None
    label_dtype: np.dtype[Any] | None = None


class Served:
    """A model that may be asked.

    Args:
        feed: asks the loaded model.
        schema: of the model.
        privacy: what of an input may stand in messages for the log.
        state: what /readyz says.
        cost: how long the model takes.
        alone: why requests must not be answered together; None when they may.
    """

    def __init__(self, feed: Feed, schema: Schema, *, privacy: Privacy, state: State, cost: Cost, alone: str | None) -> None:
        self.schema = schema
        self.state = state
        self.cost = cost
        self.alone = alone
        self._feed = feed
        self._privacy = privacy

    def predict(self, parts: Sequence[Columns]) -> Outcome:
        """Ask the model for several requests at once.

        Raises:
            FailedTogether: it fails, or answers nonsense, on more than one; which of them is at fault is not known.
        """
        if len(parts) == 1:
            return self._alone(parts[0])
        try:
            prediction = self._ask(Columns.joined(parts))
        except BaseException as error:
            raise FailedTogether from error
        return Outcome(_split(parts, prediction), _scores(prediction), prediction.labels.dtype)

    def refused(self, mismatch: SchemaMismatch) -> RequestRefused:
        """What client and log are told of a request that is not what the model takes."""
        visible = self._privacy.visible(self.schema.names)
        logged = mismatch.redacted(known=self.schema.names, visible=visible)
        told = mismatch.without(self._privacy.guarded)
        return RequestRefused(422, ErrorCode.SCHEMA_MISMATCH, str(told), details=told.to_json(), logged=logged)

    def _alone(self, columns: Columns) -> Outcome:
        try:
            prediction = self._ask(columns)
        except (ValueError, TypeError) as error:
            return Outcome([self._rejected(error)], None)
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit too
            return Outcome([self._failed(error)], None)
        return Outcome(_split([columns], prediction), _scores(prediction), prediction.labels.dtype)

    def _ask(self, columns: Columns) -> Prediction:
        prediction = self._feed.predict(columns)
        for name, answers in (("predictions", prediction.labels), ("rows of probabilities", prediction.probabilities)):
            if answers is not None and (answers.ndim == 0 or len(answers) != columns.rows):
                raise RuntimeError(f"the model answered {np.shape(answers)} {name} for {columns.rows} rows")
        return prediction

    def _rejected(self, error: BaseException) -> RequestRefused:
        message = f"the model does not take these rows: {described(error, texts=not self._privacy.guarded)}"[:_LONGEST_MESSAGE]
        logged = f"the model does not take these rows: {described(error, texts=self._privacy.texts)}"
        stack = stack_trace(error, texts=self._privacy.texts)
        return RequestRefused(422, ErrorCode.MODEL_REJECTED_INPUT, message, logged=logged, stack=stack)

    def _failed(self, error: BaseException) -> RequestRefused:
        stack = stack_trace(error, texts=self._privacy.texts)
        _log.error("the model failed on a request:\n%s", stack)
        return RequestRefused(
            500,
            ErrorCode.MODEL_FAILED,
            f"the model failed with {type(error).__name__}; the event of this request holds the traceback",
            logged=f"the model failed with {described(error, texts=self._privacy.texts)}",
            stack=stack,
        )


def prepare(package: Package, model_folder: Path, privacy: Privacy) -> Served:
    """Verify, load, and replay the golden rows.

    Raises:
        NotServable: with what /readyz says; nothing of the model was loaded when a digest differs.
    """
    if not privacy.texts:
        quiet_warnings()  # they may quote values, and the model's code is about to be imported
    try:
        package.verify(model_folder)
    except DigestMismatch as mismatch:
        details: dict[str, Any] = {"file": mismatch.file, "expected": mismatch.expected, "found": mismatch.found}
        raise NotServable(State(NotReady.MODEL_DIGEST_MISMATCH, str(mismatch), final=True, details=details)) from None
    moved = golden.moved_libraries(package.manifest.get("libraries") or {}, package.manifest.get("roots") or ())
    libraries = [{"name": one.name, "captured": one.captured, "here": one.here} for one in moved]
    try:
        schema = Schema.from_json(package.schema)
        predictor = models.answering(_load(package, model_folder), schema)
    except BaseException as error:
        _log.error("the model cannot be loaded:\n%s", stack_trace(error, texts=True))
        versions = golden.libraries_text(moved)
        reason = f"the model cannot be loaded: {described(error, texts=True)}" + (f". Versions: {versions}" if versions else "")
        raise NotServable(State(NotReady.LOAD_FAILED, reason, final=True, details={"libraries": libraries})) from error
    if package.golden is None:
        feed = choose_feed(predictor, schema, None)
        unproven = "there are no golden rows to compare answers with"
        return Served(feed, schema, privacy=privacy, state=State(), cost=NO_COST, alone=unproven)
    try:
        rows = schema.check_columns(package.golden["columns"])
        feed = choose_feed(predictor, schema, rows)
        whole = feed.predict(rows)
        outcome = golden.compare(whole, rows, schema, package.golden, hidden=privacy.guarded)
    except BaseException as error:
        _log.error("the golden rows cannot be predicted:\n%s", stack_trace(error, texts=privacy.texts))
        versions = golden.libraries_text(moved)
        told = described(error, texts=privacy.texts)
        reason = f"the golden rows cannot be predicted: {told}" + (f". Versions: {versions}" if versions else "")
        raise NotServable(State(NotReady.GOLDEN_MISMATCH, reason, final=True, details={"libraries": libraries})) from error
    counts = {"rows": outcome.rows, "bit_equal": outcome.bit_equal}
    if not outcome.ok:
        details = {
            "differing": outcome.differing,
            "differences": [one.to_json() for one in outcome.differences],
            "libraries": libraries,
        }
        reason = golden.reason(outcome, moved)
        _log.error("not served: %s", reason)
        raise NotServable(State(NotReady.GOLDEN_MISMATCH, reason, final=True, details=details, golden=counts))
    try:
        cost = measure(feed, rows)
        alone = why_alone(feed, rows, whole, golden.tolerance_of(package.golden), by_class=schema.output.type == "class", cost=cost)
    except BaseException as error:  # noqa: BLE001 - it is answered one by one then, and each request is told
        cost, alone = NO_COST, f"the model fails on a golden row alone: {described(error, texts=privacy.texts)}"
    _log.info("%d golden rows reproduced, %d of them to the bit", outcome.rows, outcome.bit_equal)
    _log.info("one row takes the model %.2f ms; requests are answered %s", cost.one * 1e3, f"alone: {alone}" if alone else "together")
    return Served(feed, schema, privacy=privacy, state=State(golden=counts), cost=cost, alone=alone)


def _split(parts: Sequence[Columns], prediction: Prediction) -> list[Predicted]:
    labels = as_json(prediction.labels)
    probabilities = None if prediction.probabilities is None else as_json(prediction.probabilities)
    if len(parts) == 1:
        return [Predicted(parts[0], labels, probabilities)]
    answers = []
    start = 0
    for part in parts:
        end = start + part.rows
        answers.append(Predicted(part, labels[start:end], None if probabilities is None else probabilities[start:end]))
        start = end
    return answers


def _scores(prediction: Prediction) -> NDArray[Any] | None:
    """The highest probability of each row."""
    return None if prediction.probabilities is None else prediction.probabilities.max(axis=1)


def as_json(array: NDArray[Any]) -> list[Any]:
    """An array as nested lists of JSON values; NaN and infinities become null."""
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]").astype(str)
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [_plain(value) for value in values]
    if array.dtype.kind == "O" and not _JSON_TYPES.issuperset(map(type, values)):
        return [_plain(value) for value in values]
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _load(package: Package, model_folder: Path) -> Predictor:
    if package.code.is_dir():
        # First, as it was where the model was trained; only now, when everything of the service itself is imported.
        sys.path.insert(0, str(package.code))
    spec = ModelSpec.from_json(package.manifest["load"])
    return models.load(ModelKind(spec.kind), model_folder, spec=spec)
