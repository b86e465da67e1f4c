"""Capture what a package must know of a model: how it is loaded, its signature, golden rows, an example, parameters.

The same code runs in the user's interpreter (`mlsandbox.save`) and, for a model that arrives as a file, in the model's own environment
(`python -m mlsandbox_serving.capture`). Predictions are made by the predictor that serves.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from mlsandbox_serving.capture.answers import golden_of, output_of, predict
from mlsandbox_serving.capture.attributes import example_from, input_from_attributes
from mlsandbox_serving.capture.golden_rows import golden_rows
from mlsandbox_serving.capture.parameters import json_safe, names_of, parameters_of
from mlsandbox_serving.capture.problems import CaptureError
from mlsandbox_serving.capture.reference import Reference, read_reference
from mlsandbox_serving.capture.signature import columns_of
from mlsandbox_serving.capture.write import write_model, write_reference
from mlsandbox_serving.contract import SCHEMA_VERSION, ModelKind
from mlsandbox_serving.models import ModelSpec, ModelUnsupported, Predictor, wrap
from mlsandbox_serving.schema import Schema
from mlsandbox_serving.schema.definition import Output as SchemaOutput

__all__ = [
    "CaptureError",
    "Output",
    "Reference",
    "capture",
    "capture_predictor",
    "data_of",
    "json_safe",
    "known_reference",
    "read_reference",
    "write_model",
    "write_reference",
]

Output = Literal["predict", "predict_proba"]
_UNKNOWN_OUTPUT: Final = SchemaOutput("number")


def capture(model: object, *, reference: Any = None, target: Any = None, output: Output | None = None) -> dict[str, Any]:
    """Capture a fitted model object.

    Args:
        model: with `predict`, or a native booster, ONNX model, ScriptModule.
        reference: training inputs or a sample of them: DataFrame, 2-D array, polars or pyarrow table, or a file's path.
        target: the labels, or the name of their column in `reference`.
        output: "predict_proba" demands probabilities.

    Returns:
        The model-dependent part of capture.json: "load", "schema", "golden", "example", "parameters", "data", "target".

    Raises:
        CaptureError: model or data cannot be served as they are; says what to change.
    """
    predictor, kind, class_name = _wrapped(model)
    known = reference if isinstance(reference, Reference) else known_reference(model, reference, target)
    return capture_predictor(predictor, ModelSpec(kind=kind, class_name=class_name), reference=known, output=output)


def known_reference(model: object, reference: Any, target: Any) -> Reference | None:
    """Reference data in the form and column order that the model takes; None when there are none. Raises CaptureError."""
    if reference is None:
        if target is not None:
            raise CaptureError("TARGET_MISSING", "there are labels without reference data", fix="reference=X beside target=y")
        return None
    return read_reference(reference, target, model_names=names_of(_wrapped(model)[0].model))


def _wrapped(model: object) -> tuple[Predictor, ModelKind, str]:
    try:
        return wrap(model)
    except ModelUnsupported as error:
        raise CaptureError(
            "MODEL_UNSUPPORTED", str(error), fix="mlsandbox.save(model, …) with a fitted model that has predict()"
        ) from error


def capture_predictor(
    predictor: Predictor, spec: ModelSpec, *, reference: Reference | None, output: Output | None = None, path: Path | None = None
) -> dict[str, Any]:
    """Capture a loaded model; `path` is its file or folder when it arrived as one. Otherwise as `capture`."""
    golden, example = None, None
    if reference is None:
        form, columns, array_dtype = input_from_attributes(predictor, spec.kind)
        classes = predictor.classes
        unknown = SchemaOutput(
            "class" if classes else "number", classes, probabilities=bool(classes) and hasattr(predictor.model, "predict_proba")
        )
        schema = Schema(input=form, columns=columns, output=unknown, array_dtype=array_dtype)
        example = example_from(path)
    else:
        form = "frame" if reference.is_frame else "array"
        array_dtype = None if reference.is_frame else str(reference.inputs.dtype)
        draft = Schema(input=form, columns=columns_of(reference), output=_UNKNOWN_OUTPUT, array_dtype=array_dtype)
        rows = golden_rows(reference, draft)
        values, prediction = predict(predictor, draft, reference, rows)
        schema = Schema(input=form, columns=draft.columns, output=output_of(predictor, prediction), array_dtype=array_dtype)
        golden = golden_of(values, prediction, spec.kind)
        example = _example(values)
    if output == "predict_proba" and not schema.output.probabilities:
        raise CaptureError("NO_PROBABILITIES", "the model has no probabilities", fix="output='predict', or a model with predict_proba")
    load = spec.to_json()
    load["input_names"] = [each.name for each in predictor.model.get_inputs()] if spec.kind is ModelKind.ONNX else list(schema.names)
    return {
        "schema_version": SCHEMA_VERSION,
        "load": load,
        "schema": schema.to_json(),
        "golden": golden,
        "example": example,
        "parameters": parameters_of(predictor.model),
        "data": None if reference is None else data_of(reference),
        "target": None if reference is None else reference.label_name,
    }


def data_of(reference: Reference) -> dict[str, Any]:
    """Row count and a digest of the reference data's content: names, dtypes, values; the same in every run."""
    from importlib import import_module  # noqa: PLC0415  # pandas is only needed with reference data

    hash_values = import_module("pandas").util.hash_pandas_object
    frame = reference.frame()
    digest = hashlib.sha256()
    for name in frame.columns:
        series = frame[name]
        digest.update(f"{name}\0{series.dtype}\0".encode())
        try:
            hashes = hash_values(series, index=False)
        except TypeError:  # labels may be anything
            hashes = hash_values(series.map(repr), index=False)
        digest.update(np.ascontiguousarray(hashes.to_numpy(dtype="uint64")).tobytes())
    return {"rows": len(frame), "digest": f"sha256:{digest.hexdigest()}"}


def _example(values: dict[str, list[Any]]) -> dict[str, Any] | None:
    """The first golden row without a gap, else the first."""
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return next((row for row in rows if None not in row.values()), rows[0] if rows else None)
