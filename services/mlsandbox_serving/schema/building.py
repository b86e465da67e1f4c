"""From checked columns to a model's input: prepared once per schema, each column converted at once."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from mlsandbox_serving.schema.column_check import category_key
from mlsandbox_serving.schema.columns import Columns
from mlsandbox_serving.schema.definition import Column, Definition
from mlsandbox_serving.schema.instants import Instants

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Build = Callable[[list[Any]], Any]


def builder(schema: Definition) -> Callable[[Columns], Any]:
    """What makes the model's input: a DataFrame, a 2-D array (rows by columns), or a dict of 1-D arrays, as the schema says."""
    if schema.input == "array":
        return _array_builder(schema)
    if schema.input == "columns":
        return _by_name(schema, _numpy_builder)
    numbers = common_dtype(schema)
    return _frame_builder(schema) if numbers is None else _number_frame_builder(schema, numbers)


def common_dtype(schema: Definition) -> np.dtype[Any] | None:
    """The numpy dtype of numbers that all columns have; None when they differ, are no numbers, or null has no value in it."""
    dtypes = {column.dtype for column in schema.columns}
    name = dtypes.pop()
    if dtypes or not all(column.type in {"float", "integer", "boolean"} for column in schema.columns):
        return None
    try:
        dtype = np.dtype(name)
    except TypeError:  # one of pandas' own: "Int64", "double[pyarrow]"
        return None
    nullable = any(column.nullable for column in schema.columns)
    return dtype if dtype.kind == "f" or (dtype.kind in "iub" and not nullable) else None


def _array_builder(schema: Definition) -> Callable[[Columns], Any]:
    dtype = np.dtype(schema.array_dtype)
    nullable = any(column.nullable for column in schema.columns)
    numbers = all(column.type in {"float", "integer", "boolean"} for column in schema.columns)
    if numbers and (dtype.kind == "f" or (dtype.kind in "iub" and not nullable)):
        return lambda columns: columns.array(dtype, order="C")
    builders = [(column.name, _numpy_builder(column, dtype)) for column in schema.columns]

    def build(columns: Columns) -> NDArray[Any]:
        by_name = columns.by_name
        data = [make(by_name[name]) for name, make in builders]
        if dtype.kind == "U":
            return np.stack(data, axis=1)
        array = np.empty((columns.rows, len(data)), dtype=dtype)
        for index, values in enumerate(data):
            array[:, index] = values
        return array

    return build


def _number_frame_builder(schema: Definition, dtype: np.dtype[Any]) -> Callable[[Columns], Any]:
    """Laid out column by column, as pandas lays out a frame of columns: sums over rows then give the same last bits."""
    pd = _pandas()
    names = pd.DataFrame({name: np.empty(0, dtype) for name in schema.names}).columns

    def build(columns: Columns) -> Any:
        return pd.DataFrame(columns.array(dtype, order="F"), columns=names, copy=False)

    return build


def _frame_builder(schema: Definition) -> Callable[[Columns], Any]:
    pd = _pandas()
    build_all = _by_name(schema, _series_builder)

    def build(columns: Columns) -> Any:
        return pd.DataFrame(build_all(columns), index=pd.RangeIndex(columns.rows))

    return build


def _by_name(schema: Definition, builder_of: Callable[[Column], _Build]) -> Callable[[Columns], dict[str, Any]]:
    builders = [(column.name, builder_of(column)) for column in schema.columns]

    def build(columns: Columns) -> dict[str, Any]:
        by_name = columns.by_name
        return {name: make(by_name[name]) for name, make in builders}

    return build


def _numpy_builder(column: Column, dtype: np.dtype[Any] | None = None) -> _Build:
    dtype = dtype or np.dtype(column.dtype if column.dtype not in {"str", "category"} else "object")
    if dtype.kind == "O":
        return _object_builder(column)
    if dtype.kind == "U":
        return lambda values: np.array(values, dtype=np.str_)
    if dtype.kind == "M":
        return lambda values: np.array([np.datetime64("NaT") if value is None else np.datetime64(value) for value in values], dtype=dtype)
    if column.nullable:
        return lambda values: np.array([np.nan if value is None else value for value in values], dtype=dtype)
    return lambda values: np.array(values, dtype=dtype)


def _object_builder(column: Column) -> _Build:
    missing = None if column.missing == "none" else np.nan

    def build(values: list[Any]) -> NDArray[Any]:
        array = np.empty(len(values), dtype=object)
        array[:] = [missing if value is None else value for value in values] if column.nullable else values
        return array

    return build


def _series_builder(column: Column) -> _Build:
    pd = _pandas()

    if column.dtype == "category":
        return _categorical_builder(column)
    if column.type == "datetime" and column.dtype != "object":
        instants = Instants(column.dtype)
        return lambda values: instants.read(values).array
    if column.dtype == "object" or (column.dtype == "str" and _objects_hold_texts(pd)):
        objects = _object_builder(column)
        return lambda values: pd.Series(objects(values), dtype=object)
    dtype = pd.api.types.pandas_dtype(column.dtype)
    if isinstance(dtype, np.dtype):
        return _numpy_builder(column)
    return lambda values: pd.array(values, dtype=dtype)


def _objects_hold_texts(pd: Any) -> bool:
    """Whether "str" is not yet a dtype of its own (pandas before 3): there it means objects, and would turn None into a text."""
    return int(pd.__version__.split(".")[0]) < 3


def _categorical_builder(column: Column) -> _Build:
    """Values are taken from one of each, which is cheaper by far than to make a categorical of its own."""
    pd = _pandas()

    known = column.categories or ()
    categories = pd.Index(list(known), dtype=column.categories_dtype)
    one_of_each = pd.Categorical.from_codes([*range(len(known)), -1], categories=categories, ordered=column.ordered)
    only_texts = all(isinstance(category, str) for category in known)
    key_of = _itself if only_texts else category_key  # a text is its own key
    places: dict[Any, int] = {key_of(category): place for place, category in enumerate(known)}
    places[None] = len(known)
    place_of = places.__getitem__

    def build(values: list[Any]) -> Any:
        keys = values if only_texts else [None if value is None else category_key(value) for value in values]
        return one_of_each.take(np.fromiter(map(place_of, keys), dtype=np.intp, count=len(keys)))

    return build


def _itself(value: Any) -> Any:
    return value


def _pandas() -> Any:
    """Imported where it is needed: models that take arrays run without pandas."""
    return import_module("pandas")
