"""Bodies of numbers read into one matrix: the same values to the bit, or the same refusal, as when they are read value by value."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.schema import Column, Columns, Output, Schema, SchemaMismatch
from mlsandbox_serving.service import decoding
from mlsandbox_serving.service.decoding import JsonDecoder, decode
from mlsandbox_serving.service.flat_json import LARGE, FlatJson, flat_reader
from mlsandbox_serving.service.refusal import RequestRefused

MAX_ROWS = 4


def schema_of(*columns: Column) -> Schema:
    return Schema(input="frame", columns=columns, output=Output("number"))


COLUMNS = (
    Column("x", "float", "float64"),
    Column("größe ☃", "float", "float64"),
    Column('a "b": [c]\n', "float", "float64"),
    Column("columns", "float", "float64"),
    Column("narrow", "float", "float32"),
    Column("half", "float", "float16"),
)
PLAIN = schema_of(*COLUMNS[:2])


def flat_of(schema: Schema) -> FlatJson:
    reader = flat_reader(schema)
    assert isinstance(reader, FlatJson)
    return reader


ODD = [
    *[
        "null",
        "true",
        "false",
        '""',
        '"1"',
        "[]",
        "[1]",
        "[1,2]",
        "{}",
        '{"x":1}',
        "",
        "tru",
        "NaN",
        "Infinity",
        "-",
        "01",
        "+1",
        ".5",
        "1.",
    ],
    *["1e400", "-1e400", "1.7976931348623158e308", "1.7976931348623159e308", "-1e-400", "65504", "65520.0", "3.4028235e38", "3.5e38"],
    *["9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"],
    *["18446744073709551615", "18446744073709551616", "1" * 30, "1" * 400, "1" * 4_400, "0." + "3" * 400, "-0", "-0.0", "0e5", "-0e-5"],
]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(
    FINITE.map(repr),
    FINITE.map("{:.17g}".format),
    FINITE.map("{:.25E}".format),
    st.floats(-sys.float_info.min, sys.float_info.min).map(repr),  # subnormal
    st.integers(-(2**64), 2**65).map(str),
    st.integers(-(10**6), 10**6).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
SPACE = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n", "\x0b"])


NUMBERS_IN_LISTS = ["[[1]]", "[1,[2]]", "[[1,2],[]]", "[[],1]", "[1,2", "[" * 1_100 + "]" * 1_100]


@st.composite
def inner_objects(draw: st.DrawFn, names: list[str], space: str) -> str:
    """Columns of numbers, right or nearly right, as one object."""
    rows = draw(st.integers(0, MAX_ROWS + 1) | st.integers(1, MAX_ROWS))
    lists = [[draw(NUMBERS) for _ in range(rows)] for _ in names]
    change = draw(st.sampled_from([*[""] * 6, "value", "ragged", "drop", "twice", "unknown", "order", "no list"]))
    at = draw(st.integers(0, len(names) - 1))
    if change == "value" and rows:
        lists[at][draw(st.integers(0, rows - 1))] = draw(st.sampled_from(ODD))
    elif change == "ragged":
        lists[at] = lists[at][1:]
    pairs = [(name, f"[{space}{f'{space},{space}'.join(one)}{space}]") for name, one in zip(names, lists, strict=True)]
    if change == "no list":
        pairs[at] = (names[at], draw(st.sampled_from([*ODD, *NUMBERS_IN_LISTS])))
    elif change == "drop":
        pairs.pop(at)
    elif change in {"twice", "unknown"}:
        pairs.insert(draw(st.integers(0, len(pairs))), pairs[at] if change == "twice" else ("other", pairs[at][1]))
    elif change == "order":
        pairs = draw(st.permutations(pairs))
    escaped = draw(st.booleans())
    return f"{space},{space}".join(f"{json.dumps(name, ensure_ascii=escaped)}{space}:{space}{text}" for name, text in pairs)


@st.composite
def bodies(draw: st.DrawFn, names: list[str]) -> bytes:
    """A request with such an object, right or nearly right."""
    space = draw(SPACE)
    inner = draw(inner_objects(names, space))
    beside = draw(st.sampled_from([*[""] * 8, ',"rows":1', ',"columns":{}', ',"columns":1', ","]))
    body = f'{space}{{{space}"columns"{space}:{space}{{{inner}}}{beside}}}{space}'.encode()
    start = draw(st.sampled_from([*[b""] * 8, b"\xef\xbb\xbf", b"\xff", b"[", b"x"]))
    end = draw(st.sampled_from([*[b""] * 8, b"x", b"}", b"\x00", b"\xff", b"{}", b","]))
    cut = draw(st.sampled_from([False] * 8 + [True]))
    return start + body[: draw(st.integers(0, len(body)))] if cut else start + body + end


def outcome(read: Callable[[], Columns]) -> Any:
    """All that a client, or the model, could tell apart."""
    try:
        columns = read()
    except RequestRefused as refused:
        return refused.body("id")
    except SchemaMismatch as mismatch:
        return mismatch.to_json()
    assert list(columns.by_name) == list(columns.names)
    return columns.rows, {name: [struct.pack("d", value) for value in values] for name, values in columns.by_name.items()}


def assert_read_the_same(body: bytes, schema: Schema) -> None:
    flat = flat_of(schema)(body)
    if flat is not None:
        assert outcome(lambda: flat) == outcome(lambda: decode(body, schema, max_rows=1_000))
    without = JsonDecoder(schema, max_rows=MAX_ROWS)
    without._flat = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "LARGE", 0)
        decoder = JsonDecoder(schema, max_rows=MAX_ROWS)
        assert outcome(lambda: decoder(body)) == outcome(lambda: without(body))


@settings(max_examples=600)
@given(st.data())
def test_flat_decoding_changes_nothing(data: st.DataObject) -> None:
    """Right, nearly right and wrong bodies must give the bits, or the refusal, that reading value by value gives."""
    columns = data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True))

    assert_read_the_same(data.draw(bodies([column.name for column in columns])), schema_of(*columns))


@pytest.mark.parametrize("text", [*ODD, "5e-324", "2.2250738585072011e-308", "0.1", "1E+2", "123456789012345678901234567890.5"])
@pytest.mark.parametrize("column", COLUMNS)
def test_values_at_their_borders_change_nothing(column: Column, text: str) -> None:
    """Numbers at the borders of types, and what is none, must be read or refused as value by value."""
    assert_read_the_same(f'{{"columns":{{{json.dumps(column.name)}:[1,{text}]}}}}'.encode(), schema_of(column))


@pytest.mark.parametrize("text", NUMBERS_IN_LISTS)
@pytest.mark.parametrize("name", ["x", "[", "\\u005b"])
def test_lists_in_lists_are_not_read(name: str, text: str) -> None:
    """Lists in lists must be left to the readers that refuse them, also where a bracket of a name makes up for theirs."""
    schema = schema_of(Column(json.loads(f'"{name}"'), "float", "float64"))
    body = f'{{"columns":{{"{name}":{text}}}}}'.encode()

    assert flat_of(schema)(body) is None
    assert_read_the_same(body, schema)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("order", [1, -1])
def test_right_columns_are_read_into_one_matrix(order: int, indent: int | None) -> None:
    """What is right must be read here, however a client spaces and orders it, as floats in the schema's order."""
    values = {"x": [1, -0.0, 1e-310], "größe ☃": [0.1, 2**53 + 1, -2.5]}
    body = json.dumps({"columns": dict(list(values.items())[::order])}, indent=indent).encode()

    columns = flat_of(PLAIN)(body)

    assert columns is not None
    assert columns.matrix is not None
    assert columns.names == PLAIN.names
    assert columns.matrix.T.tolist() == [[float(value) for value in one] for one in values.values()]


@pytest.mark.parametrize(
    "columns",
    [
        (COLUMNS[0], Column("n", "integer", "int64")),
        (Column("x", "float", "float64", nullable=True),),
        tuple(Column(f"c{index}", "float", "float64") for index in range(501)),
    ],
)
def test_models_of_other_columns_are_not_read_so(columns: tuple[Column, ...]) -> None:
    """Models that take integers, nulls or very many columns must have their bodies read in the other ways."""
    assert flat_reader(schema_of(*columns)) is None


def large() -> bytes:
    body = json.dumps({"columns": {name: [index / 7 for index in range(2_000)] for name in PLAIN.names}}).encode()
    assert len(body) > LARGE
    return body


def test_only_large_bodies_are_read_so() -> None:
    """A large body must come as a matrix, and a small one as the lists that it was."""
    decoder = JsonDecoder(PLAIN, max_rows=2_000)

    assert decoder(large()).matrix is not None
    assert decoder(b'{"columns":{"x":[1],"gr\xc3\xb6\xc3\x9fe \xe2\x98\x83":[2]}}').matrix is None


@pytest.mark.parametrize("missing", [None, "compiled"])
def test_without_simdjson_everything_is_read(missing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where simdjson is not installed, or its compiled half does not load, bodies must be read to the same values."""
    with_it = JsonDecoder(PLAIN, max_rows=2_000)(large())
    monkeypatch.setitem(sys.modules, "csimdjson" if missing else "simdjson", None)
    if missing:
        monkeypatch.delitem(sys.modules, "simdjson")

    without = JsonDecoder(PLAIN, max_rows=2_000)(large())

    assert flat_reader(PLAIN) is None
    assert (with_it.matrix is None, without.matrix is None) == (False, True)
    assert outcome(lambda: with_it) == outcome(lambda: without)


def test_too_many_rows_are_refused_with_their_number() -> None:
    """A large body over the limit must be refused as any other, with its number of rows."""
    with pytest.raises(RequestRefused) as caught:
        JsonDecoder(PLAIN, max_rows=1_999)(large())

    assert (caught.value.failure.status, caught.value.details) == (413, {"rows": 2_000, "limit": 1_999})


def test_bodies_after_each_other_do_not_touch() -> None:
    """A body must be read here whatever the one before it was, and its values must stay when the next one is read."""
    flat = flat_of(schema_of(COLUMNS[0]))
    first = flat(b'{"columns":{"x":[1,2]}}')

    for wrong in (b'{"columns":{"x":[3,null]}}', b'{"columns":{"x":[3,}', b'{"columns":[{"x":3}]}', b'{"columns":{"y":[3,4]}}'):
        assert flat(wrong) is None
        second = flat(b'{"columns":{"x":[5,6]}}')
        assert (first, second) == (Columns({"x": [1.0, 2.0]}, 2), Columns({"x": [5.0, 6.0]}, 2))


def test_threads_read_at_once() -> None:
    """Bodies that several threads read at once must each give their own values."""
    flat = flat_of(schema_of(COLUMNS[0]))

    def read(number: int) -> bool:
        columns = flat(json.dumps({"columns": {"x": [number] * 20_000}}).encode())
        return columns == Columns({"x": [float(number)] * 20_000}, 20_000)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(40)))


def test_parsers_of_very_large_bodies_are_not_kept() -> None:
    """A body of more than a megabyte must not leave a parser of its size behind."""
    flat = flat_of(schema_of(COLUMNS[0]))

    assert flat(b'{"columns":{"x":[' + b"1," * 600_000 + b"1]}}") is not None
    assert not hasattr(flat._kept, "parser")
    assert flat(b'{"columns":{"x":[1]}}') is not None
    assert hasattr(flat._kept, "parser")
