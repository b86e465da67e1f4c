"""A model's input out of checked rows: the frames and arrays that pandas and numpy make column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlsandbox_serving.schema import Column, Columns, Output, Schema
from mlsandbox_serving.schema.building import common_dtype


def schema_of(*columns: Column, **options: Any) -> Schema:
    return Schema(**{"input": "frame", "columns": columns, "output": Output("number"), **options})


def categorical(values: list[Any], categories: Any, *, ordered: bool = False) -> pd.Categorical:
    return pd.Categorical(values, categories=categories, ordered=ordered)


TEXTS = pd.Index(["a", "b"], dtype=object)
# Column, JSON values, and what pandas is told to make of them.
CASES: list[tuple[Column, list[Any], Any]] = [
    (Column("c", "float", "float64"), [1.0, -0.0, 2.5], np.array([1.0, -0.0, 2.5])),
    (Column("c", "float", "float64", nullable=True), [1.0, None, 2.5], np.array([1.0, np.nan, 2.5])),
    (Column("c", "float", "float32", nullable=True), [0.1, None, 3.0], np.array([0.1, np.nan, 3.0], dtype="float32")),
    (Column("c", "float", "Float64", nullable=True), [0.1, None, 3.0], pd.array([0.1, None, 3.0], dtype="Float64")),
    (Column("c", "integer", "int64"), [2**62 + 1, -1, 0], np.array([2**62 + 1, -1, 0])),
    (Column("c", "integer", "uint64"), [2**64 - 1, 1, 0], np.array([2**64 - 1, 1, 0], dtype="uint64")),
    (Column("c", "integer", "int8"), [1, -1, 0], np.array([1, -1, 0], dtype="int8")),
    (Column("c", "integer", "Int64", nullable=True), [2**62 + 1, None, 0], pd.array([2**62 + 1, None, 0], dtype="Int64")),
    (Column("c", "integer", "int64[pyarrow]", nullable=True), [1, None, 0], pd.array([1, None, 0], dtype="int64[pyarrow]")),
    (Column("c", "boolean", "bool"), [True, False, True], np.array([True, False, True])),
    (Column("c", "boolean", "boolean", nullable=True), [True, None, True], pd.array([True, None, True], dtype="boolean")),
    (Column("c", "boolean", "object", nullable=True), [True, None, False], pd.Series([True, np.nan, False], dtype=object)),
    (Column("c", "string", "object"), ["x", "", "é"], pd.Series(["x", "", "é"], dtype=object)),
    (Column("c", "string", "object", nullable=True), ["x", None, "é"], pd.Series(["x", np.nan, "é"], dtype=object)),
    (Column("c", "string", "object", nullable=True, missing="none"), ["x", None, "é"], pd.Series(["x", None, "é"], dtype=object)),
    (Column("c", "string", "string", nullable=True), ["x", None, "é"], pd.array(["x", None, "é"], dtype="string")),
    (
        Column("c", "category", "category", categories=("a", "b"), categories_dtype="object"),
        ["b", "a", "b"],
        categorical(["b", "a", "b"], TEXTS),
    ),
    (
        Column("c", "category", "category", nullable=True, categories=("b", "a"), ordered=True, categories_dtype="object"),
        ["b", None, "a"],
        categorical(["b", None, "a"], TEXTS[::-1], ordered=True),
    ),
    (Column("c", "category", "category", nullable=True, categories=(3, 1)), [1, None, 3], categorical([1, None, 3], [3, 1])),
    (Column("c", "category", "category", categories=(0.5, 1.0)), [1.0, 0.5, 1.0], categorical([1.0, 0.5, 1.0], [0.5, 1.0])),
    (
        Column("c", "category", "category", categories=tuple(range(300))),
        [299, 0, 7],
        categorical([299, 0, 7], list(range(300))),
    ),
    (
        Column("c", "category", "object", categories=("1", 1, True)),
        [True, "1", 1],
        pd.Series([True, "1", 1], dtype=object),
    ),
    (
        Column("c", "datetime", "datetime64[ns]", nullable=True),
        ["2024-05-31T12:00:00.5", None, "2024-05-31"],
        np.array(["2024-05-31T12:00:00.5", "NaT", "2024-05-31"], dtype="datetime64[ns]"),
    ),
    (
        Column("c", "datetime", "datetime64[ns, Europe/Berlin]"),
        ["2024-05-31T12:00:00+02:00", "2024-05-31T12:00Z", "2024-01-01T00:00:00Z"],
        pd.to_datetime(["2024-05-31T10:00", "2024-05-31T12:00", "2024-01-01T00:00"], utc=True)
        .tz_convert("Europe/Berlin")
        .astype("datetime64[ns, Europe/Berlin]"),
    ),
]
OTHER = (Column("first", "integer", "int64"), Column("last", "float", "float64"))
FIRST, LAST = [7, 8, 9], [0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("column", "values", "made"), CASES, ids=[f"{case[0].type}-{case[0].dtype}-{index}" for index, case in enumerate(CASES)]
)
def test_every_dtype_becomes_the_column_that_pandas_makes(column: Column, values: list[Any], made: Any) -> None:
    """Each column must have the dtype, values and gaps of one that pandas makes alone, among others and by itself, however rows came."""
    alone, among = schema_of(column), schema_of(OTHER[0], column, OTHER[1])
    expected = pd.DataFrame({"c": made})
    rows: list[tuple[Any, ...]] = list(zip(FIRST, values, LAST, strict=True))

    for _ in range(2):  # the second request finds everything prepared
        pd.testing.assert_frame_equal(alone.to_input(Columns({"c": values}, 3)), expected)
        pd.testing.assert_frame_equal(alone.to_input(Columns.of_tuples(("c",), [(value,) for value in values])), expected)
        frame = among.to_input(Columns.of_tuples(("first", "c", "last"), rows))
        pd.testing.assert_frame_equal(frame, pd.DataFrame({"first": FIRST, "c": made, "last": LAST}))
    assert [type(value) for value in alone.to_input(Columns({"c": values}, 3))["c"]] == [type(value) for value in expected["c"]]
    pd.testing.assert_frame_equal(alone.to_input(Columns({"c": values[:1]}, 1)), expected.iloc[:1])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
def test_a_frame_of_numbers_is_laid_out_as_pandas_does(dtype: str) -> None:
    """A frame of one dtype must give its model the same memory layout as one made of columns: it decides the last bits of sums."""
    kind: Any = {"float64": "float", "float32": "float", "int64": "integer", "bool": "boolean"}[dtype]
    lists = {
        name: [bool(value) if dtype == "bool" else value for value in values] for name, values in {"a": [1, 0, 1], "b": [0, 1, 1]}.items()
    }
    schema = schema_of(*(Column(name, kind, dtype) for name in lists))
    expected = pd.DataFrame({name: np.array(values, dtype=dtype) for name, values in lists.items()})

    for columns in (Columns(lists, 3), Columns.of_tuples(("a", "b"), list(zip(*lists.values(), strict=True)))):
        frame = schema.to_input(columns)
        pd.testing.assert_frame_equal(frame, expected)
        assert frame.columns.dtype == expected.columns.dtype
        assert frame.to_numpy().flags["F_CONTIGUOUS"] == expected.to_numpy().flags["F_CONTIGUOUS"]
        assert frame.to_numpy().flags["C_CONTIGUOUS"] == expected.to_numpy().flags["C_CONTIGUOUS"]


def test_a_model_that_changes_its_input_changes_nothing_else() -> None:
    """What is logged is what was sent, also when the model writes into the frame or array that it was given."""
    for options in ({"input": "frame"}, {"input": "array", "array_dtype": "float64"}):
        schema = schema_of(Column("a", "float", "float64"), Column("b", "float", "float64"), **options)
        for columns in (Columns({"a": [1.0], "b": [2.0]}, 1), Columns.of_matrix(("a", "b"), np.array([[1.0, 2.0]]))):
            given = schema.to_input(columns)
            (given.iloc if options["input"] == "frame" else given)[:, 0] = 9.0
            assert columns.by_name == {"a": [1.0], "b": [2.0]}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ((Column("a", "float", "float64"), Column("b", "integer", "float64", nullable=True)), "float64"),
        ((Column("a", "integer", "int8"),), "int8"),
        ((Column("a", "integer", "int64", nullable=True),), None),
        ((Column("a", "integer", "Int64"),), None),
        ((Column("a", "float", "float64"), Column("b", "float", "float32")), None),
        ((Column("a", "float", "object"),), None),
        ((Column("a", "category", "int64", categories=(1, 2)),), None),
    ],
)
def test_one_dtype_for_all(columns: tuple[Column, ...], expected: str | None) -> None:
    """Columns are one matrix only when they are numbers of one numpy dtype that has a value for null where there may be one."""
    assert common_dtype(schema_of(*columns)) == (None if expected is None else np.dtype(expected))


def test_arrays_of_numbers_with_gaps() -> None:
    """A model that takes an array must get NaN where null was sent, row by row in memory."""
    schema = schema_of(
        Column("x0", "float", "float32", nullable=True), Column("x1", "float", "float32"), input="array", array_dtype="float32"
    )

    array = schema.to_input(Columns.of_tuples(("x0", "x1"), [(None, 0.1), (1.0, 2.0)]))

    np.testing.assert_array_equal(array, np.array([[np.nan, 0.1], [1, 2]], dtype="float32"))
    assert array.dtype == np.float32
    assert array.flags["C_CONTIGUOUS"]
