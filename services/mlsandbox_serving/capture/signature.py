"""The input columns of a schema, read from reference data: types, exact dtypes, missing values, categories, ranges."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

import numpy as np

from mlsandbox_serving.capture.problems import CaptureError, column_problem
from mlsandbox_serving.capture.reference import Reference
from mlsandbox_serving.schema import Column

MAX_CATEGORIES: Final = 100_000
_Type = Literal["float", "integer", "boolean", "string", "datetime"]
_NOT_SERVED: Final = (
    "sparse",
    "period",
    "interval",
    "complex",
    "timedelta",
    "timestamp[",
    "duration",
    "date32",
    "date64",
    "time32",
    "time64",
    "decimal",
)
_OBJECT_TYPES: Final[dict[str, _Type]] = {
    "string": "string",
    "empty": "string",
    "boolean": "boolean",
    "integer": "integer",
    "floating": "float",
    "mixed-integer-float": "float",
}
_REMEDIES: Final[dict[str, str]] = {
    "timedelta64": "X[{name!r}] = X[{name!r}].dt.total_seconds(), fit again",
    "timedelta": "X[{name!r}] = X[{name!r}].dt.total_seconds(), fit again",
    "period": "X[{name!r}] = X[{name!r}].dt.to_timestamp(), fit again",
    "interval": "X[{name!r}] = X[{name!r}].astype(str), fit again",
    "complex": "split it into real and imaginary part, fit again",
    "decimal": "X[{name!r}] = X[{name!r}].astype(float), fit again",
    "date": "X[{name!r}] = pandas.to_datetime(X[{name!r}]), fit again",
    "datetime": "X[{name!r}] = pandas.to_datetime(X[{name!r}]), fit again",
    "bytes": "X[{name!r}] = X[{name!r}].str.decode('utf-8'), fit again",
    "sparse": "X[{name!r}] = X[{name!r}].sparse.to_dense(), fit again",
}


def columns_of(reference: Reference) -> tuple[Column, ...]:
    """One Column per input column, in the model's order.

    Raises:
        CaptureError: a column cannot be sent as JSON and rebuilt exactly; names it and the remedy.
    """
    pd = import_module("pandas")
    if reference.is_frame:
        return tuple(_column(name, reference.inputs[name]) for name in reference.names)
    data = reference.inputs
    if data.dtype.kind not in "fiubOU" or (data.dtype.itemsize > 8 and data.dtype.kind == "f"):
        raise CaptureError(
            "REFERENCE_UNSUPPORTED", f"an array of {data.dtype} cannot be served", fix="reference=X.astype('float64'), fit again"
        )
    return tuple(_column(name, pd.Series(data[:, index]), array_dtype=data.dtype) for index, name in enumerate(reference.names))


def _column(name: str, series: Any, *, array_dtype: np.dtype[Any] | None = None) -> Column:
    missing = series.isna()
    nullable = bool(missing.any())
    if array_dtype is not None and array_dtype.kind == "U":
        return Column(name=name, type="string", dtype=str(array_dtype))
    dtype = series.dtype
    text = str(dtype)
    if text == "category":
        return _category(name, series, nullable=nullable)
    if text == "object":
        return _objects(name, series, missing)
    kind = _kind(name, dtype)
    if kind is None:
        raise column_problem(name, f"its dtype is {text}", _remedy(text, name))
    low, high = (None, None) if kind in {"string", "boolean"} else _range(series, kind)
    return Column(name=name, type=kind, dtype=text, nullable=nullable, minimum=low, maximum=high)


def _kind(name: str, dtype: Any) -> _Type | None:
    types = import_module("pandas").api.types
    if str(dtype).lower().startswith(_NOT_SERVED):
        return None
    if types.is_float_dtype(dtype) and getattr(dtype, "itemsize", 8) > 8:
        raise column_problem(name, f"its dtype is {dtype}", f"X[{name!r}] = X[{name!r}].astype('float64'), fit again")
    checks: tuple[tuple[_Type, Any], ...] = (
        ("boolean", types.is_bool_dtype),
        ("integer", types.is_integer_dtype),
        ("float", types.is_float_dtype),
        ("datetime", types.is_datetime64_any_dtype),
        ("string", types.is_string_dtype),
    )
    return next((kind for kind, holds in checks if holds(dtype)), None)


def _objects(name: str, series: Any, missing: Any) -> Column:
    """A column of Python objects: texts mostly, or numbers beside None."""
    inferred = import_module("pandas").api.types.infer_dtype(series, skipna=True)
    kind = _OBJECT_TYPES.get(inferred)
    if kind is None:
        why = (
            f"its values are of the kind {inferred!r}"
            if not inferred.startswith("mixed")
            else "its values are of several types: " + _types(series)
        )
        raise column_problem(name, why, _remedy(inferred, name))
    nulls = series[missing]
    nones = sum(value is None for value in nulls)
    low, high = _range(series.dropna().astype("float64"), "float") if kind in {"integer", "float"} else (None, None)
    return Column(
        name=name,
        type=kind,
        dtype="object",
        nullable=bool(len(nulls)),
        missing="none" if nones * 2 > len(nulls) else "nan",
        minimum=low,
        maximum=high,
    )


def _category(name: str, series: Any, *, nullable: bool) -> Column:
    index = series.cat.categories
    categories = [value.item() if isinstance(value, np.generic) else value for value in index]
    wrong = next((value for value in categories if not isinstance(value, str | int | float | bool)), None)
    if wrong is not None:
        raise column_problem(
            name,
            f"its categories are of type {type(wrong).__name__}",
            f"X[{name!r}] = X[{name!r}].astype(str).astype('category'), fit again",
        )
    if len(categories) > MAX_CATEGORIES:
        raise column_problem(name, f"it has {len(categories)} categories", f"X[{name!r}] = X[{name!r}].astype(str), fit again")
    return Column(
        name=name,
        type="category",
        dtype="category",
        nullable=nullable,
        categories=tuple(categories),
        ordered=bool(series.cat.ordered),
        categories_dtype=str(index.dtype),
    )


def _range(series: Any, kind: str) -> tuple[Any, Any]:
    """Lowest and highest finite value as JSON; None when there is none."""
    present = series.dropna()
    if kind == "float":
        present = present[np.isfinite(present.to_numpy(dtype="float64"))]
    if not len(present):
        return None, None
    low, high = present.min(), present.max()
    if kind == "datetime":
        return low.isoformat(), high.isoformat()
    plain = int if kind == "integer" else float
    return plain(low), plain(high)


def _types(series: Any) -> str:
    return ", ".join(sorted({type(value).__name__ for value in series.dropna().head(10_000)}))


def _remedy(kind: str, name: str) -> str:
    for prefix, remedy in _REMEDIES.items():
        if kind.lower().startswith(prefix):
            return remedy.format(name=name)
    return f"X[{name!r}] = X[{name!r}].astype(str), or drop it; fit again"
