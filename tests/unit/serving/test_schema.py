"""What a request may hold, and that a frame survives the way through JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.schema import MAX_FAULTS, Column, Output, Schema, SchemaInvalid, SchemaMismatch


def schema_of(*columns: Column, **options: Any) -> Schema:
    return Schema(**{"input": "frame", "columns": columns, "output": Output("class", (0, 1)), **options})


PEOPLE = schema_of(
    Column("age", "integer", "int64"),
    Column("income", "float", "float64", nullable=True),
    Column("plan", "category", "category", categories=("basic", "pro")),
    Column("zip", "string", "object"),
)
ROW = {"age": 41, "income": 1.5, "plan": "pro", "zip": "01234"}


def faults_of(schema: Schema, *rows: Any) -> list[dict[str, Any]]:
    with pytest.raises(SchemaMismatch) as caught:
        schema.check_rows(list(rows))
    faults = caught.value.to_json()["faults"]
    assert isinstance(faults, list)
    json.dumps(faults, allow_nan=False)
    return faults


def test_rows_become_a_frame_with_the_models_dtypes() -> None:
    """Rows become one frame with the names, order and dtypes that the model was trained with, whatever order the client sent."""
    sent = dict(reversed(ROW.items()))

    frame = PEOPLE.to_input(PEOPLE.check_rows([sent, {**sent, "income": None}]))

    expected = pd.DataFrame(
        {
            "age": np.array([41, 41], dtype="int64"),
            "income": [1.5, np.nan],
            "plan": pd.Categorical(["pro", "pro"], categories=["basic", "pro"]),
            "zip": pd.Series(["01234", "01234"], dtype=object),
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_columns_and_rows_are_the_same_request() -> None:
    """Columns and rows with the same values give the same input."""
    by_column = {name: [value] for name, value in ROW.items()}

    assert PEOPLE.check_columns(by_column) == PEOPLE.check_rows([ROW])


@pytest.mark.parametrize(
    ("change", "column", "problem"),
    [
        ({"age": "41"}, "age", "wrong type"),
        ({"age": 41.5}, "age", "not a whole number"),
        ({"age": True}, "age", "wrong type"),
        ({"age": None}, "age", "null not allowed"),
        ({"age": 2**63}, "age", "out of range"),
        ({"age": 10**30}, "age", "out of range"),
        ({"age": 1e300}, "age", "out of range"),
        ({"age": [41]}, "age", "wrong type"),
        ({"income": "1.5"}, "income", "wrong type"),
        ({"income": False}, "income", "wrong type"),
        ({"income": {"value": 1}}, "income", "wrong type"),
        ({"income": float("nan")}, "income", "out of range of float64"),
        ({"income": float("inf")}, "income", "out of range of float64"),
        ({"income": 10**400}, "income", "out of range of float64"),
        ({"plan": "premium"}, "plan", "not a known category"),
        ({"plan": 1}, "plan", "not a known category"),
        ({"plan": ["pro"]}, "plan", "wrong type"),
        ({"plan": None}, "plan", "null not allowed"),
        ({"zip": 1234}, "zip", "wrong type"),
        ({"zip": None}, "zip", "null not allowed"),
        ({"Age": 41}, "Age", "unknown column"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], column: str, problem: str) -> None:
    """A value that the model does not take is refused with its row, its column and what was expected."""
    faults = faults_of(PEOPLE, ROW, {**ROW, **change})

    assert [(fault["row"], fault["column"], fault["problem"]) for fault in faults] == [(1, column, problem)]
    assert faults[0]["expected"]


def test_a_missing_column_is_named() -> None:
    """A row without one of the columns is refused, even when the column may be null."""
    (fault,) = faults_of(PEOPLE, {name: value for name, value in ROW.items() if name != "income"})

    assert fault == {"row": 0, "column": "income", "value": None, "expected": "a number", "problem": "missing"}


def test_several_faults_are_told_at_once() -> None:
    """All that is wrong with a request is told at once: names, types and categories."""
    faults = faults_of(PEOPLE, {**ROW, "age": "x", "plan": "y"}, {"agee": 1}, 7)

    assert [(fault["row"], fault["column"]) for fault in faults] == [
        *[(1, name) for name in ("age", "income", "plan", "zip", "agee")],
        (2, None),
        (0, "age"),
        (0, "plan"),
    ]


def test_faults_are_capped_and_counted() -> None:
    """Of many faults the first are told, and how many there are."""
    with pytest.raises(SchemaMismatch) as caught:
        PEOPLE.check_rows([{**ROW, "age": "x"}] * 1_000)

    assert len(caught.value.faults) == MAX_FAULTS
    assert caught.value.total == 1_000
    assert "and 997 more" in str(caught.value)


class _Looked(dict[str, Any]):
    """A row that counts how often somebody looks into it."""

    looks = 0

    def __contains__(self, key: object) -> bool:
        _Looked.looks += 1
        return super().__contains__(key)

    def keys(self) -> Any:
        _Looked.looks += 1
        return super().keys()

    def items(self) -> Any:
        _Looked.looks += 1
        return super().items()


def test_finding_faults_takes_no_more_than_reading_the_request() -> None:
    """A small body cannot keep the service busy: rows that miss everything are counted, not searched, and none is held in memory."""
    columns, rows = 1_000, 10_000
    wide = schema_of(*(Column(f"c{number}", "float", "float64") for number in range(columns)))
    _Looked.looks = 0

    with pytest.raises(SchemaMismatch) as caught:
        wide.check_rows([_Looked()] * rows)

    assert caught.value.total == columns * rows
    assert len(caught.value.faults) == MAX_FAULTS
    assert 0 < _Looked.looks <= 5 * rows + columns


def test_an_unknown_category_tells_the_known_ones() -> None:
    """The message for an unknown category lists the known ones, the first ten of many."""
    many = schema_of(Column("code", "category", "category", categories=tuple(range(100))))

    (few,) = faults_of(PEOPLE, {**ROW, "plan": "Pro"})
    (lots,) = faults_of(many, {"code": 100})

    assert few["expected"] == "one of 'basic', 'pro'"
    assert lots["expected"] == "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (90 more)"


def test_categories_are_told_apart_by_type() -> None:
    """1, true and "1" are three different categories; 1.0 is 1."""
    schema = schema_of(Column("code", "category", "category", categories=(1, "1")))

    assert schema.check_rows([{"code": 1.0}, {"code": "1"}]).by_name == {"code": [1, "1"]}
    assert [fault["problem"] for fault in faults_of(schema, {"code": True})] == ["not a known category"]


def test_whole_numbers_may_be_written_with_a_point() -> None:
    """3.0 is an integer in JSON, and becomes one."""
    checked = PEOPLE.check_rows([{**ROW, "age": 3.0, "income": 2}])

    assert (checked.by_name["age"], checked.by_name["income"]) == ([3], [2.0])
    assert (type(checked.by_name["age"][0]), type(checked.by_name["income"][0])) == (int, float)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "Int16", "int32[pyarrow]"])
def test_integers_must_fit_their_width(dtype: str) -> None:
    """An integer that does not fit the column's width is refused rather than wrapped around."""
    column = schema_of(Column("n", "integer", dtype))
    limits = np.iinfo(dtype.lower().removesuffix("[pyarrow]"))

    assert column.to_input(column.check_rows([{"n": int(limits.max)}]))["n"].dtype == dtype
    assert [fault["problem"] for fault in faults_of(column, {"n": int(limits.max) + 1}, {"n": int(limits.min) - 1})] == ["out of range"] * 2


def test_floats_must_fit_their_width() -> None:
    """A number past float32 is refused rather than made infinite."""
    column = schema_of(Column("x", "float", "float32"))

    assert [fault["problem"] for fault in faults_of(column, {"x": 1e39})] == ["out of range of float32"]


@pytest.mark.parametrize(
    ("columns", "faulty"),
    [
        ({}, ["age", "income", "plan", "zip"]),
        ({"age": [1], "income": [1.0], "plan": ["pro"], "zip": ["1", "2"]}, ["zip"]),
        ({"age": 1, "income": [1.0], "plan": ["pro"], "zip": ["1"]}, ["age"]),
        ({"age": [], "income": [], "plan": [], "zip": []}, [None]),
        ({"age": [1], "income": [1.0], "plan": ["pro"], "zip": ["1"], "more": [1]}, ["more"]),
    ],
)
def test_columns_must_be_whole(columns: dict[str, Any], faulty: list[str | None]) -> None:
    """Ragged, empty, missing and unknown columns are refused by name."""
    with pytest.raises(SchemaMismatch) as caught:
        PEOPLE.check_columns(columns)

    assert [fault.column for fault in caught.value.faults] == faulty


def test_no_rows_are_no_request() -> None:
    """A request without a row is refused."""
    assert [fault["expected"] for fault in faults_of(PEOPLE)] == ["at least one row"]


@pytest.mark.parametrize(
    ("dtype", "text", "problem"),
    [
        ("datetime64[ns]", "2024-05-31", None),
        ("datetime64[ns]", "2024-05-31T12:00:00.123456789", None),
        ("datetime64[us]", "9999-01-01 00:00", None),
        ("datetime64[ns]", "9999-01-01", "out of range of datetime64[ns]"),
        ("datetime64[ns]", "2024-02-30", "no such date"),
        ("datetime64[ns]", "2024-05-31T24:00", "not a date"),
        ("datetime64[ns]", "today", "not a date"),
        ("datetime64[ns]", "31.05.2024", "not a date"),
        ("datetime64[ns]", "2024-05-31T12:00:00Z", "an offset is not allowed"),
        ("datetime64[ns, UTC]", "2024-05-31T12:00:00+02:00", None),
        ("datetime64[ns, UTC]", "2024-05-31T12:00:00", "an offset is missing"),
    ],
)
def test_dates_are_never_guessed(dtype: str, text: str, problem: str | None) -> None:
    """A date is ISO 8601, with an offset exactly when the column has a time zone; anything else is refused."""
    column = schema_of(Column("when", "datetime", dtype))

    if problem is None:
        assert str(column.to_input(column.check_rows([{"when": text}]))["when"].dtype) == dtype
    else:
        assert [fault["problem"] for fault in faults_of(column, {"when": text})] == [problem]


def test_an_array_model_gets_an_array() -> None:
    """A model that was trained on an array gets one, of the same dtype, columns in order."""
    schema = schema_of(Column("x0", "float", "float32"), Column("x1", "float", "float32"), input="array", array_dtype="float32")

    array = schema.to_input(schema.check_columns({"x1": [2, 4], "x0": [1, 3]}))

    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1, 2], [3, 4]])


def test_an_object_array_keeps_its_types() -> None:
    """A model that was trained on an array of objects gets texts and numbers as such."""
    schema = schema_of(Column("x0", "string", "object"), Column("x1", "float", "object"), input="array", array_dtype="object")

    array = schema.to_input(schema.check_rows([{"x0": "07", "x1": 1}]))

    assert array.tolist() == [["07", 1.0]]


def test_texts_are_never_cut_to_the_reference_datas_width() -> None:
    """A text longer than any in the reference data reaches an array model whole."""
    schema = schema_of(Column("x0", "string", "<U2"), input="array", array_dtype="<U2")

    assert schema.to_input(schema.check_rows([{"x0": "longer"}])).tolist() == [["longer"]]


def test_named_inputs_become_a_dict_of_arrays() -> None:
    """A model with one input per column gets a dict of 1-D arrays."""
    schema = schema_of(Column("a", "integer", "int64"), Column("b", "string", "object"), input="columns")

    arrays = schema.to_input(schema.check_rows([{"a": 1, "b": "x"}]))

    assert {name: (array.dtype.kind, array.tolist()) for name, array in arrays.items()} == {"a": ("i", [1]), "b": ("O", ["x"])}


def test_a_log_message_shows_only_what_may_be_seen() -> None:
    """The message for the log has no value of a hidden column, and no name that the client made up."""
    with pytest.raises(SchemaMismatch) as caught:
        PEOPLE.check_rows([{**ROW, "age": "canary-age", "zip": 666, "canary-name": 1}, "canary-row"])

    text = caught.value.redacted(known=PEOPLE.names, visible={"income"})

    assert "canary" not in text
    assert "666" not in text
    assert "column 'age': wrong type, expected an integer" in text


def test_schema_json_round_trips() -> None:
    """What is written to schema.json is read back equal."""
    schema = schema_of(
        Column("when", "datetime", "datetime64[ns, UTC]", nullable=True, minimum="2020-01-01T00:00:00+00:00"),
        Column("size", "category", "category", categories=("S", "M"), ordered=True, categories_dtype="object"),
        Column("note", "string", "object", nullable=True, missing="none"),
    )

    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data.update(schema_version=2), "schema_version"),
        (lambda data: data.update(input="tensor"), "input"),
        (lambda data: data["columns"].append(dict(data["columns"][0])), "twice"),
        (lambda data: data["columns"][0].update(type="number"), "type"),
        (lambda data: data["columns"][2].update(categories=None), "categories"),
        (lambda data: data.update(columns=[]), "columns"),
        (lambda data: data["output"].update(type="label"), "output"),
    ],
)
def test_an_unreadable_schema_names_the_key(change: Callable[[dict[str, Any]], None], named: str) -> None:
    """A schema.json that this version cannot read is refused with the key that is wrong."""
    data = json.loads(json.dumps(PEOPLE.to_json()))
    change(data)

    with pytest.raises(SchemaInvalid, match=named):
        Schema.from_json(data)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INSTANT = st.datetimes(min_value=pd.Timestamp("1700-01-01").to_pydatetime(), max_value=pd.Timestamp("2250-01-01").to_pydatetime())
# Column, and how its values are generated.
TRICKY: list[tuple[Column, st.SearchStrategy[Any]]] = [
    (Column("float64", "float", "float64"), FINITE),
    (Column("float64 with gaps", "float", "float64", nullable=True), st.none() | FINITE),
    (Column("float32", "float", "float32"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    (Column("float16", "float", "float16"), st.floats(width=16, allow_nan=False, allow_infinity=False)),
    (Column("Float64", "float", "Float64", nullable=True), st.none() | FINITE),
    (Column("int64", "integer", "int64"), st.integers(-(2**63), 2**63 - 1)),
    (Column("uint64", "integer", "uint64"), st.integers(0, 2**64 - 1)),
    (Column("int8", "integer", "int8"), st.integers(-128, 127)),
    (Column("Int64", "integer", "Int64", nullable=True), st.none() | st.integers(-(2**63), 2**63 - 1)),
    (Column("int64[pyarrow]", "integer", "int64[pyarrow]", nullable=True), st.none() | st.integers(-(2**63), 2**63 - 1)),
    (Column("bool", "boolean", "bool"), st.booleans()),
    (Column("boolean", "boolean", "boolean", nullable=True), st.none() | st.booleans()),
    (Column("object booleans", "boolean", "object", nullable=True), st.none() | st.booleans()),
    (Column("object texts", "string", "object"), TEXT),
    (Column("object texts with NaN", "string", "object", nullable=True), st.none() | TEXT),
    (Column("object texts with None", "string", "object", nullable=True, missing="none"), st.none() | TEXT),
    (Column("str", "string", "str", nullable=True), st.none() | TEXT),
    (Column("string", "string", "string", nullable=True), st.none() | TEXT),
    (Column("leading zeros", "string", "object"), st.integers(0, 99_999).map("{:05d}".format)),
    (Column("category", "category", "category", categories=("b", "a", "ü"), nullable=True), st.sampled_from([None, "a", "b", "ü"])),
    (Column("ordered", "category", "category", categories=(3, 1, 2), ordered=True), st.sampled_from([1, 2, 3])),
    (Column("category of floats", "category", "category", categories=(0.5, 1.0)), st.sampled_from([0.5, 1.0])),
    (Column("datetime64[ns]", "datetime", "datetime64[ns]", nullable=True), st.none() | INSTANT.map(lambda when: when.isoformat())),
    (Column("datetime64[us]", "datetime", "datetime64[us]"), INSTANT.map(lambda when: when.isoformat())),
    (
        Column("zoned", "datetime", "datetime64[ns, Europe/Berlin]", nullable=True),
        st.none() | INSTANT.map(lambda when: f"{when.isoformat()}+00:00"),
    ),
]


@pytest.mark.parametrize(("column", "values"), TRICKY, ids=[column.name for column, _ in TRICKY])
@settings(max_examples=60)
@given(data=st.data())
def test_a_frame_survives_json(column: Column, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """A frame of any supported dtype, written as JSON and sent as a request, is the same frame again, value by value and dtype."""
    schema = schema_of(column)
    frame = schema.to_input(schema.check_columns({column.name: data.draw(st.lists(values, min_size=1, max_size=8))}))
    assert str(frame[column.name].dtype) == column.dtype

    body = msgspec.json.decode(msgspec.json.encode(schema.to_columns(frame)))
    again = schema.to_input(schema.check_columns(body))

    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    nulls = [[value is None for value in one[column.name]] for one in (frame, again)]
    assert nulls[0] == nulls[1]


def test_an_infinity_in_a_frame_is_refused() -> None:
    """JSON has no infinity: a frame that holds one is refused by column rather than changed."""
    schema = schema_of(Column("x", "float", "float64"))

    with pytest.raises(ValueError, match="'x': inf"):
        schema.to_columns(pd.DataFrame({"x": [np.inf]}))
