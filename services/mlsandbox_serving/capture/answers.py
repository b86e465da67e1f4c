"""Predictions on golden rows, made of the JSON values that a request would hold, and what they say of the model's output."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from mlsandbox_serving.capture.problems import CaptureError
from mlsandbox_serving.capture.reference import Reference
from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.golden import Tolerance
from mlsandbox_serving.models import Prediction, Predictor
from mlsandbox_serving.schema import Output, Schema, SchemaMismatch

_SINGLE_PRECISION: Final = {ModelKind.ONNX, ModelKind.TORCHSCRIPT, ModelKind.XGBOOST}
_CLASS_TYPES: Final = (str, int, float, bool)


def predict(predictor: Predictor, schema: Schema, reference: Reference, rows: list[int]) -> tuple[dict[str, list[Any]], Prediction]:
    """Golden rows as JSON columns, and the model's answers to the input that is rebuilt from them.

    Raises:
        CaptureError: the model fails on its own reference data, or answers other than for the data as they were handed over.
    """
    if not rows:
        raise CaptureError("REFERENCE_EMPTY", "every row of the reference data holds an infinity", fix="replace infinities before fitting")
    original = reference.inputs.iloc[rows] if reference.is_frame else reference.inputs[rows]
    try:
        values = schema.to_columns(original)
        rebuilt = schema.to_input(schema.check_columns(values))
    except (ValueError, TypeError, SchemaMismatch) as error:
        raise CaptureError(
            "REFERENCE_UNSUPPORTED",
            "the reference data do not survive as JSON",
            why=str(error),
            fix="keep plain numbers, texts, dates and categories",
        ) from error
    try:
        answers = predictor.predict(rebuilt)
        expected = predictor.predict(original)
    except Exception as error:
        raise CaptureError(
            "MODEL_FAILED",
            "the model fails on its own reference data",
            why=f"{type(error).__name__}: {error}",
            fix="reference=… inputs as the model's predict() takes them; model.predict(reference) must work",
        ) from error
    if len(answers.labels) != len(rows):
        raise CaptureError(
            "MODEL_FAILED", f"the model gives {len(answers.labels)} answers for {len(rows)} rows", fix="serve models that answer row by row"
        )
    if not _equal(answers.labels, expected.labels) or not _equal(answers.probabilities, expected.probabilities):
        raise CaptureError(
            "NOT_REPRODUCIBLE",
            "the model does not give the same answers twice",
            why="the same rows, sent as JSON and handed over as they are, are predicted differently",
            fix="fix the model's random state at prediction time, or convert odd columns before fitting",
        )
    return values, answers


def output_of(predictor: Predictor, prediction: Prediction) -> Output:
    """What the model answers: classes, one number, or several values per row."""
    probabilities = prediction.probabilities is not None
    if prediction.labels.ndim > 1:
        return Output("array", None, probabilities=False)
    classes = predictor.classes
    if classes is not None:
        plain = tuple(value.item() if isinstance(value, np.generic) else value for value in classes)
        wrong = next((value for value in plain if not isinstance(value, _CLASS_TYPES)), None)
        if wrong is not None:
            raise CaptureError(
                "MODEL_UNSUPPORTED", f"class {wrong!r} has no JSON form", fix="fit with texts or numbers as labels: y.astype(str)"
            )
        return Output("class", plain, probabilities=probabilities)
    return Output("number" if prediction.labels.dtype.kind in "fiu" else "class", None, probabilities=probabilities)


def golden_of(values: dict[str, list[Any]], prediction: Prediction, kind: ModelKind) -> dict[str, Any]:
    """`golden` of capture.json; the tolerance is that of the least precise answer, or of what the kind computes in."""
    floats = [np.dtype("float32")] if kind in _SINGLE_PRECISION else []
    floats += [array.dtype for array in (prediction.labels, prediction.probabilities) if array is not None and array.dtype.kind == "f"]
    tolerance = Tolerance.of(min(floats, key=lambda dtype: dtype.itemsize, default=np.dtype("float64")))
    return {
        "columns": values,
        "predictions": _json(prediction.labels),
        "probabilities": None if prediction.probabilities is None else _json(prediction.probabilities),
        "tolerance": {"rtol": tolerance.rtol, "atol": tolerance.atol},
    }


def _json(array: Any) -> list[Any]:
    """Nested lists; NaN is null."""
    if array.dtype.kind == "f":
        if np.isinf(array).any():
            raise CaptureError("MODEL_UNSUPPORTED", "the model answers infinity, which JSON cannot say", fix="clip what the model answers")
        return _with_nulls(array.astype("float64").tolist())
    if array.dtype.kind == "M":
        return [None if value is None else str(value) for value in array.astype("datetime64[us]").astype(str).tolist()]
    return _with_nulls(array.tolist())


def _with_nulls(values: list[Any]) -> list[Any]:
    return [_with_nulls(value) if isinstance(value, list) else None if _is_nan(value) else value for value in values]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if one.shape != other.shape:
        return False
    if one.dtype.kind == "f" and other.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True))
    return bool(np.array_equal(one.astype(str), other.astype(str)))
