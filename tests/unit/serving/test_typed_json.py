"""Bodies read straight into typed values: the same values, or the same refusal, as when they are read value by value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.schema import Column, Columns, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.decoding import JsonDecoder, decode
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.typed_json import TypedJson

MAX_ROWS = 3
COLUMNS = (
    Column("x", "float", "float64"),
    Column("narrow", "float", "float32", nullable=True),
    Column("half", "float", "float16"),
    Column("n", "integer", "int64"),
    Column("tiny", "integer", "uint8", nullable=True),
    Column("huge", "integer", "uint64"),
    Column("yes", "boolean", "bool"),
    Column("größe ☃", "string", "object", nullable=True),
    Column("plan", "category", "category", categories=("basic", "pro:", "é")),
    Column("code", "category", "category", categories=(1, 2, -3), nullable=True),
    Column("share", "category", "category", categories=(0.5, 1.0)),
    Column("mixed", "category", "category", categories=("1", 1, True)),
    Column("none", "category", "category", categories=(), nullable=True),
    Column("when", "datetime", "datetime64[ns]"),
)


def schema_of(*columns: Column) -> Schema:
    return Schema(input="frame", columns=columns, output=Output("number"))


NUMBERS = [
    *["0", "-0", "1", "1.0", "-0.0", "1e2", "1E400", "-1e-400", "0.5", "255", "256", "65504", "65520.0", "3.4028235e38", "3.5e38"],
    *["9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"],
    *["-9223372036854775808", "-9223372036854775809", "2.5", "1" * 30, "1" * 400, "1" * 4_400, "0." + "3" * 400, "01", "+1", ".5", "NaN"],
]
OTHER = ["null", "true", "false", '""', '"basic"', '"1"', "[]", "[1]", "{}", '{"x":1}', '{"x":1,"x":2}', '":"', '"\\"x\\":"', "", "tru"]
RIGHT = {
    "float": ["1", "-2.5", "0.1", "1e3", "12345678901234567"],
    "integer": ["1", "0", "77"],
    "boolean": ["true", "false"],
    "string": ['"a"', '"\\u00e4 ☃"', '"a: \\"b\\":"', '""'],
    "datetime": ['"2024-05-31T12:00:00"', '"2024-05-31"', '"2024-02-30"'],
}


def written(column: Column) -> st.SearchStrategy[str]:
    """JSON texts for a column: right ones mostly."""
    right = [json.dumps(one) for one in column.categories or ()] or RIGHT.get(column.type, ["null"])
    also = ["null"] if column.nullable else []
    return st.sampled_from([*right, *also])


SPACE = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])


@st.composite
def keys(draw: st.DrawFn, name: str) -> str:
    """A name as JSON: as it is, escaped in part, or escaped whole."""
    ways: list[Callable[[], str]] = [
        lambda: json.dumps(name, ensure_ascii=False),
        lambda: json.dumps(name),
        lambda: '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"',
    ]
    return draw(st.sampled_from([*ways[:1] * 4, *ways]))()


@st.composite
def objects(draw: st.DrawFn, texts: list[tuple[str, str]]) -> str:
    """An object of these names and JSON texts, with odd spaces, and here and there a name too many, too few, or twice."""
    pairs = list(texts)
    change = draw(st.sampled_from(["", "", "", "", "drop", "twice", "unknown", "order"]))
    if change == "drop" and pairs:
        pairs.pop(draw(st.integers(0, len(pairs) - 1)))
    elif change == "twice" and pairs:
        pairs.append(draw(st.sampled_from(pairs)))
    elif change == "unknown":
        pairs.append((draw(st.sampled_from(["X", "x ", "other", "rows", "f0"])), "1"))
    elif change == "order":
        pairs = draw(st.permutations(pairs))
    space = draw(SPACE)
    inner = f"{space},{space}".join(f"{draw(keys(name))}{space}:{space}{text}" for name, text in pairs)
    return f"{space}{{{space}{inner}{space}}}{space}"


@st.composite
def bodies(draw: st.DrawFn, columns: tuple[Column, ...]) -> bytes:
    """A request in one of the three forms, right or nearly right."""
    form = draw(st.sampled_from(["row", "rows", "columns"]))
    count = 1 if form == "row" else draw(st.integers(0, MAX_ROWS + 1))
    values = [[draw(written(column)) for column in columns] for _ in range(count)]
    one_is_odd = draw(st.booleans())
    if values and one_is_odd:
        odd = draw(st.sampled_from(NUMBERS + OTHER))
        values[draw(st.integers(0, count - 1))][draw(st.integers(0, len(columns) - 1))] = odd
    names = [column.name for column in columns]
    if form == "columns":
        lists = [[row[index] for row in values] for index in range(len(names))]
        if draw(st.integers(0, 9)) == 0:
            lists[0] = lists[0][1:]
        inner = draw(objects([(name, f"[{','.join(one)}]") for name, one in zip(names, lists, strict=True)]))
        text = draw(objects([("columns", inner)]))
    else:
        rows = [draw(objects(list(zip(names, row, strict=True)))) for row in values]
        text = rows[0] if form == "row" else draw(objects([("rows", f"[{','.join(rows)}]")]))
    return (text + draw(st.sampled_from(["", "", "", "", " ", "x", "}", "\x00"]))).encode()


def outcome(read: Callable[[], Columns]) -> Any:
    """All that a client could tell apart."""
    try:
        columns = read()
    except RequestRefused as refused:
        return refused.body("id")
    except SchemaMismatch as mismatch:
        return mismatch.to_json()
    values = {name: [(type(value), repr(value)) for value in one] for name, one in columns.by_name.items()}
    assert list(values) == list(columns.by_name)
    return columns.rows, values


def assert_read_the_same(body: bytes, schema: Schema) -> None:
    decoder = JsonDecoder(schema, max_rows=MAX_ROWS)

    assert outcome(lambda: decoder(body)) == outcome(lambda: decode(body, schema, max_rows=MAX_ROWS))


@settings(max_examples=400)
@given(st.data())
def test_typed_decoding_changes_nothing(data: st.DataObject) -> None:
    """Right, nearly right and wrong bodies must give the values and types, or the refusal, that reading value by value gives."""
    columns = tuple(data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True)))

    assert_read_the_same(data.draw(bodies(columns)), schema_of(*columns))


@settings(max_examples=150)
@given(st.data())
def test_columns_named_like_envelopes_change_nothing(data: st.DataObject) -> None:
    """A model with a column named like an envelope must read, and refuse, what it did."""
    columns = tuple(
        data.draw(st.permutations([Column("rows", "float", "float64"), Column("columns", "integer", "int64"), COLUMNS[0]])),
    )[: data.draw(st.integers(1, 3))]

    assert_read_the_same(data.draw(bodies(columns)), schema_of(*columns))


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize(
    "column", [column for column in COLUMNS if column.type in {"float", "integer"} or column.name in {"code", "share"}]
)
def test_numbers_at_their_borders_change_nothing(column: Column, text: str) -> None:
    """Numbers at the borders of types, and of exactness, must be read or refused as value by value."""
    assert_read_the_same(f'{{"{column.name}":{text}}}'.encode(), schema_of(column))
    assert_read_the_same(f'{{"columns":{{"{column.name}":[1,{text}]}}}}'.encode(), schema_of(column))


PLAIN = schema_of(*COLUMNS[:2], COLUMNS[3], COLUMNS[7], COLUMNS[8], COLUMNS[13])
ROW = {"x": 1.5, "narrow": None, "n": 3, "größe ☃": 'a: "b', "plan": "pro:", "when": "2024-05-31T12:00:00"}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("content", [ROW, {"rows": [ROW, ROW]}, {"columns": {name: [value] for name, value in ROW.items()}}])
def test_right_bodies_are_read_in_one_step(content: dict[str, Any], indent: int | None) -> None:
    """What is right must not take the slow way, however a client spaces and orders it."""
    typed = TypedJson(PLAIN)
    body = json.dumps(content, indent=indent, ensure_ascii=False).encode()

    columns = typed(body)

    assert columns == decode(body, PLAIN, max_rows=MAX_ROWS)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "\ud800"])
def test_names_that_a_decoder_cannot_hold_are_read_all_the_same(name: str) -> None:
    """Columns whose names need escapes must be read, the slow way."""
    body = json.dumps({name: 1.5}).encode()

    assert TypedJson(schema_of(Column(name, "float", "float64")))(body) is None
    assert_read_the_same(body, schema_of(Column(name, "float", "float64")))


def test_very_many_columns_are_read_all_the_same() -> None:
    """A model with thousands of columns must be read."""
    schema = schema_of(*(Column(f"c{index}", "float", "float64") for index in range(2_000)))
    body = json.dumps({"rows": [dict.fromkeys(schema.names, 1)]}).encode()

    assert JsonDecoder(schema, max_rows=1)(body).by_name == {name: [1.0] for name in schema.names}


def test_too_many_rows_are_not_looked_at() -> None:
    """A request over the limit must be refused with its number of rows, whether its rows are right or not."""
    schema = schema_of(COLUMNS[0])
    for row in ({"x": 1}, {"x": "wrong"}):
        with pytest.raises(RequestRefused) as caught:
            JsonDecoder(schema, max_rows=2)(json.dumps({"rows": [row] * 3}).encode())
        assert (caught.value.failure.status, caught.value.details) == (413, {"rows": 3, "limit": 2})
