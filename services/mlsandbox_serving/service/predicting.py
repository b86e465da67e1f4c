"""The model inside the service: verified, loaded, held to its golden rows, asked.

Imports numpy, and with the model its framework: the service imports this module in the model's thread.
"""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlsandbox_serving import golden, models
from mlsandbox_serving.contract import ErrorCode, ModelKind, NotReady
from mlsandbox_serving.models import ModelSpec, Predictor
from mlsandbox_serving.record import Privacy, described, stack_trace
from mlsandbox_serving.schema import Columns, Schema, SchemaMismatch
from mlsandbox_serving.service.decoding import decode
from mlsandbox_serving.service.package import DigestMismatch, Package
from mlsandbox_serving.service.readiness import NotServable, State
from mlsandbox_serving.service.refusal import RequestRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Predicted:
    """A request's checked input and its answer, as JSON values.

    Args:
        columns: the input.
        predictions: one value, or one list of values, per row.
        probabilities: one list per row in the order of the schema's classes; None when the model has none.
        scores: the highest probability of each row.
    """

    columns: Columns
    predictions: list[Any]
    probabilities: list[Any] | None
    scores: list[float]


class Served:
    """A model that may be asked.

    Args:
        predictor: the loaded model.
        schema: of the model.
        privacy: what of an input may stand in messages for the log.
        state: what /readyz says.
    """

    def __init__(self, predictor: Predictor, schema: Schema, privacy: Privacy, state: State) -> None:
        self._predictor = predictor
        self._schema = schema
        self._privacy = privacy
        self.state = state

    def answer(self, body: bytes, *, max_rows: int) -> Predicted:
        """Decode, check, predict.

        Raises:
            RequestRefused: the body is not what the model takes, or the model raised on it.
        """
        try:
            columns = decode(body, self._schema, max_rows=max_rows)
        except SchemaMismatch as mismatch:
            visible = self._privacy.visible(self._schema.names)
            logged = mismatch.redacted(known=self._schema.names, visible=visible)
            told = mismatch.without(self._privacy.guarded)
            raise RequestRefused(422, ErrorCode.SCHEMA_MISMATCH, str(told), details=told.to_json(), logged=logged) from None
        try:
            prediction = self._predictor.predict(self._schema.to_input(columns))
            labels, probabilities = prediction.labels, prediction.probabilities
            for name, answers in (("predictions", labels), ("rows of probabilities", probabilities)):
                if answers is not None and (answers.ndim == 0 or len(answers) != columns.rows):
                    raise RuntimeError(f"the model answered {np.shape(answers)} {name} for {columns.rows} rows")  # noqa: TRY301 - one place tells all of it
        except (ValueError, TypeError) as error:
            raise self._rejected(error) from error
        except BaseException as error:
            raise self._failed(error) from error
        scores = [] if probabilities is None else np.max(probabilities, axis=1).tolist()
        return Predicted(columns, as_json(labels), None if probabilities is None else as_json(probabilities), scores)

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
    try:
        package.verify(model_folder)
    except DigestMismatch as mismatch:
        details: dict[str, Any] = {"file": mismatch.file, "expected": mismatch.expected, "found": mismatch.found}
        raise NotServable(State(NotReady.MODEL_DIGEST_MISMATCH, str(mismatch), final=True, details=details)) from None
    moved = golden.moved_libraries(package.manifest.get("libraries") or {}, package.manifest.get("roots") or ())
    libraries = [{"name": one.name, "captured": one.captured, "here": one.here} for one in moved]
    try:
        schema = Schema.from_json(package.schema)
        predictor = _load(package, model_folder)
    except BaseException as error:
        _log.error("the model cannot be loaded:\n%s", stack_trace(error, texts=True))
        versions = golden.libraries_text(moved)
        reason = f"the model cannot be loaded: {described(error, texts=True)}" + (f". Versions: {versions}" if versions else "")
        raise NotServable(State(NotReady.LOAD_FAILED, reason, final=True, details={"libraries": libraries})) from error
    if package.golden is None:
        return Served(predictor, schema, privacy, State())
    try:
        outcome = golden.replay(predictor, schema, package.golden, hidden=privacy.guarded)
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
    _log.info("%d golden rows reproduced, %d of them to the bit", outcome.rows, outcome.bit_equal)
    return Served(predictor, schema, privacy, State(golden=counts))


def as_json(array: NDArray[Any]) -> list[Any]:
    """An array as nested lists of JSON values; NaN and infinities become null."""
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]").astype(str)
    values: list[Any] = array.tolist()
    if array.dtype.kind == "O" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        values = [_plain(value) for value in values]
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
