"""A schema without reference data, from what the model itself remembers of its input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from mlsandbox_serving.capture.parameters import names_of
from mlsandbox_serving.capture.problems import CaptureError
from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import Predictor
from mlsandbox_serving.schema import Column

Input = tuple[Literal["frame", "array", "columns"], tuple[Column, ...], str | None]
"""`input` of the schema, its columns, the array's dtype."""

_Type = Literal["float", "integer", "boolean", "string", "datetime"]
_ONNX: Final[dict[str, tuple[_Type, str]]] = {
    "tensor(float)": ("float", "float32"),
    "tensor(double)": ("float", "float64"),
    "tensor(float16)": ("float", "float16"),
    "tensor(int64)": ("integer", "int64"),
    "tensor(int32)": ("integer", "int32"),
    "tensor(int16)": ("integer", "int16"),
    "tensor(int8)": ("integer", "int8"),
    "tensor(uint8)": ("integer", "uint8"),
    "tensor(bool)": ("boolean", "bool"),
    "tensor(string)": ("string", "object"),
}
_MLFLOW: Final[dict[str, tuple[_Type, str]]] = {
    "double": ("float", "float64"),
    "float": ("float", "float32"),
    "long": ("integer", "int64"),
    "integer": ("integer", "int32"),
    "boolean": ("boolean", "bool"),
    "string": ("string", "object"),
    "datetime": ("datetime", "datetime64[ns]"),
}


def input_from_attributes(predictor: Predictor, kind: ModelKind) -> Input:
    """What the model says of its input.

    Args:
        predictor: the loaded model.
        kind: its kind.

    Raises:
        CaptureError: it says too little; reference data are needed.
    """
    if kind is ModelKind.ONNX:
        return _onnx_input(predictor.model.get_inputs())
    if kind is ModelKind.MLFLOW:
        return _mlflow_input(predictor.model)
    model = predictor.model
    names = names_of(model)
    if kind is ModelKind.XGBOOST and names is not None:
        return (
            "frame",
            tuple(_booster_column(name, text) for name, text in zip(names, _feature_types(model, len(names)), strict=True)),
            None,
        )
    if kind is ModelKind.LIGHTGBM and getattr(model, "pandas_categorical", None):
        raise reference_needed("the model has categorical columns, whose names its file does not hold")
    if names is not None:
        texts = _text_columns(model, names)
        columns = (Column(name=name, type="string", dtype="object") if name in texts else _number(name) for name in names)
        return "frame", tuple(columns), None
    count = _feature_count(model)
    if count is None:
        raise reference_needed("the model does not remember the columns it was fitted with")
    return "array", tuple(_number(f"x{index}") for index in range(count)), "float64"


def example_from(path: Path | None) -> dict[str, Any] | None:
    """The first row of an MLflow folder's input example; None when there is none that is a table."""
    file = path / "input_example.json" if path is not None else None
    if file is None or not file.is_file():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not {"columns", "data"} <= data.keys() or not data["data"]:
        return None
    return dict(zip(map(str, data["columns"]), data["data"][0], strict=True))


def reference_needed(why: str) -> CaptureError:
    """The error of a model whose columns cannot be known without data."""
    return CaptureError(
        "REFERENCE_NEEDED",
        "reference data are needed to know the model's columns",
        why=why,
        fix="give a sample of the training inputs: --reference train.csv",
    )


def _number(name: str, dtype: str = "float64") -> Column:
    return Column(name=name, type="float", dtype=dtype)


def _booster_column(name: str, feature_type: str) -> Column:
    match feature_type:
        case "int":
            return Column(name=name, type="integer", dtype="int64")
        case "i":
            return Column(name=name, type="boolean", dtype="bool")
        case "c":
            raise reference_needed(f"column {name!r} is categorical, and the model's file does not hold its categories")
        case _:
            return Column(name=name, type="float", dtype="float64", nullable=True)


def _feature_types(model: Any, count: int) -> Sequence[str]:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    return booster.feature_types or ["float"] * count


def _feature_count(model: Any) -> int | None:
    for attribute in ("n_features_in_", "num_features", "num_feature", "n_features_"):
        try:
            found = getattr(model, attribute, None)
            count = found() if callable(found) else found
        except Exception:  # noqa: BLE001, S112  # a property may raise on a model without it
            continue
        if isinstance(count, int) and count > 0:
            return count
    names = getattr(model, "feature_names_", None)
    return len(names) if names is not None and len(names) else None


def _text_columns(model: Any, names: Sequence[str]) -> set[str]:
    """Columns that the model encodes as texts: CatBoost's categorical ones, and those of encoders in a ColumnTransformer."""
    if hasattr(model, "get_cat_feature_indices"):
        return {names[index] for index in model.get_cat_feature_indices()}
    texts: set[str] = set()
    first = model.steps[0][1] if hasattr(model, "steps") else model
    for _, transformer, columns in getattr(first, "transformers_", ()):
        steps = [step for _, step in transformer.steps] if hasattr(transformer, "steps") else [transformer]
        for step in steps:
            for name, categories in zip(columns, getattr(step, "categories_", ()), strict=False):
                if getattr(categories.dtype, "kind", "O") in "OUST" and isinstance(name, str):
                    texts.add(name)
    return texts


def _onnx_input(inputs: Sequence[Any]) -> Input:
    first = inputs[0]
    if len(inputs) == 1 and len(first.shape) == 2:
        kind, dtype = _ONNX[first.type]
        if not isinstance(first.shape[1], int):
            raise reference_needed("the model's input has no fixed number of columns")
        return "array", tuple(Column(name=f"x{index}", type=kind, dtype=dtype) for index in range(first.shape[1])), dtype
    if len(inputs) == 1 and len(first.shape) > 2:
        raise CaptureError(
            "MODEL_UNSUPPORTED",
            f"the model's input has {len(first.shape)} dimensions",
            fix="serve it as predict.py:Predictor, which builds the input",
        )
    return "columns", tuple(Column(name=each.name, type=_ONNX[each.type][0], dtype=_ONNX[each.type][1]) for each in inputs), None


def _mlflow_input(model: Any) -> Input:
    schema = model.metadata.get_input_schema()
    if schema is None:
        raise reference_needed("the MLflow model has no signature")
    if schema.is_tensor_spec():
        spec = schema.inputs[0]
        if len(schema.inputs) != 1 or len(spec.shape) != 2 or spec.shape[1] < 1 or spec.type.kind not in "fiub":
            raise reference_needed(f"the MLflow signature is {schema}")
        kind: _Type = "float" if spec.type.kind == "f" else "boolean" if spec.type.kind == "b" else "integer"
        return "array", tuple(Column(name=f"x{index}", type=kind, dtype=str(spec.type)) for index in range(spec.shape[1])), str(spec.type)
    columns = []
    for index, spec in enumerate(schema.inputs):
        name = getattr(spec.type, "name", str(spec.type))
        if name not in _MLFLOW:
            raise reference_needed(f"column {spec.name!r} of the MLflow signature is of type {name}")
        columns.append(
            Column(
                name=spec.name or f"x{index}", type=_MLFLOW[name][0], dtype=_MLFLOW[name][1], nullable=not getattr(spec, "required", True)
            )
        )
    return "frame", tuple(columns), None
