"""Between checked columns and a model's input: one frame or array per request, each column converted at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from mlsandbox_serving.schema.check import Columns
from mlsandbox_serving.schema.column_check import category_key
from mlsandbox_serving.schema.definition import Column, Definition
from mlsandbox_serving.schema.instants import Instants

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_input(schema: Definition, columns: Columns) -> Any:
    """The model's input: a DataFrame, a 2-D array (rows by columns), or a dict of 1-D arrays, as the schema says."""
    if schema.input == "array":
        return _array(schema, columns)
    if schema.input == "columns":
        return {column.name: _one_array(column, columns.by_name[column.name]) for column in schema.columns}
    pd = _pandas()

    return pd.DataFrame({column.name: _series_data(column, columns.by_name[column.name]) for column in schema.columns})


def to_columns(schema: Definition, model_input: Any) -> dict[str, list[Any]]:
    """The JSON values of a model's input, column by column: what `to_input` turns into the same input again.

    Args:
        schema: of the model.
        model_input: a DataFrame with at least the schema's columns, a 2-D array, or a dict of 1-D arrays.

    Raises:
        ValueError: a value has no JSON form (an infinity), the text names the column.
    """
    if isinstance(model_input, np.ndarray):
        return {column.name: _json_values(column, model_input[:, index]) for index, column in enumerate(schema.columns)}
    return {column.name: _json_values(column, model_input[column.name]) for column in schema.columns}


def _array(schema: Definition, columns: Columns) -> NDArray[Any]:
    dtype = np.dtype(schema.array_dtype)
    data = [_one_array(column, columns.by_name[column.name], dtype) for column in schema.columns]
    if dtype.kind == "U":
        return np.stack(data, axis=1)
    array = np.empty((columns.rows, len(data)), dtype=dtype)
    for index, values in enumerate(data):
        array[:, index] = values
    return array


def _one_array(column: Column, values: list[Any], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    dtype = dtype or np.dtype(column.dtype if column.dtype not in {"str", "category"} else "object")
    if dtype.kind == "O":
        return _objects(column, values)
    if dtype.kind == "U":
        return np.array(values, dtype=np.str_)
    if dtype.kind == "M":
        return np.array([np.datetime64("NaT") if value is None else np.datetime64(value) for value in values], dtype=dtype)
    return np.array([np.nan if value is None else value for value in values] if column.nullable else values, dtype=dtype)


def _objects(column: Column, values: list[Any]) -> NDArray[Any]:
    missing = None if column.missing == "none" else np.nan
    array = np.empty(len(values), dtype=object)
    array[:] = [missing if value is None else value for value in values] if column.nullable else values
    return array


def _series_data(column: Column, values: list[Any]) -> Any:
    pd = _pandas()

    if column.dtype == "category":
        return _categorical(column, values)
    if column.type == "datetime" and column.dtype != "object":
        return Instants(column.dtype).read(values).array
    if column.dtype == "object" or (column.dtype == "str" and _objects_hold_texts(pd)):
        return pd.Series(_objects(column, values), dtype=object)
    dtype = pd.api.types.pandas_dtype(column.dtype)
    if isinstance(dtype, np.dtype):
        return _one_array(column, values)
    return pd.array(values, dtype=dtype)


def _objects_hold_texts(pd: Any) -> bool:
    """Whether "str" is not yet a dtype of its own (pandas before 3): there it means objects, and would turn None into a text."""
    return int(pd.__version__.split(".")[0]) < 3


def _categorical(column: Column, values: list[Any]) -> Any:
    pd = _pandas()

    known = column.categories or ()
    categories = pd.Index(list(known), dtype=column.categories_dtype)
    only_texts = all(isinstance(category, str) for category in known)
    key_of = _itself if only_texts else category_key  # a text is its own key
    codes: dict[Any, int] = {key_of(category): code for code, category in enumerate(known)}
    codes[None] = -1
    keys = values if only_texts else [None if value is None else category_key(value) for value in values]
    return pd.Categorical.from_codes(
        np.array([codes[key] for key in keys], dtype=np.int64),
        categories=categories,
        ordered=column.ordered,
    )


def _itself(value: Any) -> Any:
    return value


def _json_values(column: Column, data: Any) -> list[Any]:
    pd = _pandas()

    missing = np.asarray(pd.isna(data))
    if column.type == "datetime":
        instants = pd.Series(data)
        if instants.dt.tz is not None:
            instants = instants.dt.tz_convert("UTC")
        return [None if gone else value.isoformat() for gone, value in zip(missing, instants, strict=True)]
    if column.dtype == "category":
        known = [_plain(category) for category in data.cat.categories]
        return [None if code < 0 else known[code] for code in np.asarray(data.cat.codes).tolist()]
    values = [None if gone else _plain(value) for gone, value in zip(missing.tolist(), list(data), strict=True)]
    for value in values:
        if isinstance(value, float) and value - value != 0:
            raise ValueError(f"column {column.name!r}: {value} has no JSON form")
    return values


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pandas() -> Any:
    """Imported where it is needed: models that take arrays run without pandas."""
    return import_module("pandas")
