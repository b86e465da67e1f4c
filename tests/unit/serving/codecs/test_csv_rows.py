"""CSV as people and programs write it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.schema import Column, Columns, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.codecs.csv_numbers import NumberTable
from mlsandbox_serving.service.codecs.csv_rows import CsvDecoder
from mlsandbox_serving.service.codecs.media_types import CSV
from mlsandbox_serving.service.refusal import RequestRefused
from support.bodies import NUMBERS, read, refused


def schema_of(*columns: Column) -> Schema:
    return Schema(input="frame", columns=columns, output=Output("number"))


def one(column: Column, *texts: str) -> list[Any]:
    return read(CSV, "\n".join([column.name, *texts]).encode(), schema_of(column)).by_name[column.name]


@pytest.mark.parametrize(
    "body",
    [
        b"a,b,c\n1,2,3\n",
        b"a,b,c\r\n1,2,3\r\n",
        b"a,b,c\r1,2,3",
        b"\xef\xbb\xbfa,b,c\n1,2,3",
        b"c,a,b\n3,1,2\n",
        b'"a","b","c"\n"1","2","3"\n',
        b"a,b,c\n1.0,2e0, 3\n",
        b"a,b,c\n1,2,3\n\n\n",
        b"a,b,c\n+1,2.,3\n",
    ],
)
def test_spellings_of_the_same_table(body: bytes) -> None:
    """Line ends, quotes, a byte order mark, the columns' order and spellings of numbers must not matter."""
    assert read(CSV, body).by_name == {"a": [1.0], "b": [2.0], "c": [3.0]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"a,b,c\n1,2,\xff\n", "not UTF-8 \\(byte 10\\)"),
        (b'a,b,c\n1,2,"3\n', "line 2"),
        (b'a,b,c\n1,2,"3"4\n', "line 2"),
        (b"\n1,2,3\n", "is empty"),
        (b"a,b,c\n1,2," + b"3" * 200_000, "field limit"),
    ],
)
def test_what_is_no_csv_is_unreadable(body: bytes, reason: str) -> None:
    """A body that is no CSV must be a 400 that says where."""
    with pytest.raises(RequestRefused, match=reason) as caught:
        read(CSV, body)

    assert caught.value.failure.status == 400


def test_rows_of_another_length_are_named() -> None:
    """Every row with more or fewer fields than the first line must be named, also one without any between others."""
    error = refused(CSV, b"a,b,c\n1,2,3\n1,2\n\n1,2,3,4\n")

    assert isinstance(error, SchemaMismatch)
    assert [(fault.row, fault.value, fault.problem) for fault in error.faults] == [
        (1, "a list of 2", "wrong length"),
        (2, "a list of 0", "wrong length"),
        (3, "a list of 4", "wrong length"),
    ]


def test_a_name_that_comes_twice_is_refused() -> None:
    """Neither of two columns of one name may be dropped."""
    assert "column 'a': sent twice" in str(refused(CSV, b"a,a,b,c\n1,2,3,4\n"))


def test_several_faults_are_told_at_once() -> None:
    """All that is wrong must be told in one answer."""
    error = refused(CSV, b"a,b,d\nx,2,3\n1,,3\n")

    assert isinstance(error, SchemaMismatch)
    assert [(fault.row, fault.column, fault.problem) for fault in error.faults] == [
        (None, "c", "missing"),
        (None, "d", "unknown column"),
        (0, "a", "wrong type"),
        (1, "b", "null not allowed"),
    ]


def test_gaps_are_null_where_the_column_has_null() -> None:
    """A word for a missing value must be null in a nullable column, and itself in another column of texts."""
    words = ["NA", "n/a", "NaN", "null", "None", "<NA>", '""']

    assert one(Column("t", "string", "object", nullable=True), *words) == [None] * 7
    assert one(Column("t", "string", "object"), *words) == [*words[:6], ""]
    assert one(Column("x", "float", "float64", nullable=True), *words, "1") == [*[None] * 7, 1.0]
    assert one(Column("i", "integer", "Int64", nullable=True), *words, "1") == [*[None] * 7, 1]
    assert one(Column("b", "boolean", "boolean", nullable=True), *words, "true") == [*[None] * 7, True]
    assert one(Column("d", "datetime", "datetime64[ns]", nullable=True), *words, "2024-05-31") == [*[None] * 7, "2024-05-31"]


def test_a_gap_that_is_a_category_is_that() -> None:
    """Namibia must stay "NA" where that is a category, and be null where it is not."""
    assert one(Column("c", "category", "category", categories=("NA", "DE"), nullable=True), "NA", "DE", "nan") == ["NA", "DE", None]
    assert one(Column("c", "category", "category", categories=("DE",), nullable=True), "NA", "DE") == [None, "DE"]


def test_categories_that_are_no_texts_are_found_by_theirs() -> None:
    """Numbers and booleans that are categories must be found however a table writes them."""
    assert one(Column("c", "category", "category", categories=(1, 2.0, True)), "1", "1.0", "2", "2.0", "true", "True") == [
        1,
        1,
        2.0,
        2.0,
        True,
        True,
    ]


def test_leading_zeros_of_texts_are_kept() -> None:
    """A postal code must not become a number."""
    assert one(Column("zip", "string", "object"), "01234", " 7", "1e3") == ["01234", " 7", "1e3"]


def test_numbers_are_what_they_are_elsewhere() -> None:
    """Whole numbers of any spelling must be exact, and what is a number in Python alone must be none."""
    integers = Column("i", "integer", "int64")

    assert one(integers, "1e3", "2.0", " 7 ", "9007199254740993", "-0") == [1000, 2, 7, 9007199254740993, 0]
    for column in (integers, Column("x", "float", "float64")):
        for text in ("1_000", "٣", "0x10", "1,5", "1 2", "[1]", "true", "inf"):
            assert isinstance(refused(CSV, f'{column.name}\n"{text}"'.encode(), schema_of(column)), SchemaMismatch), text


@pytest.mark.parametrize("text", ["1e999", "inf", "-Infinity"])
def test_infinities_are_out_of_range(text: str) -> None:
    """A number that is larger than all must be told as that."""
    assert "out of range of float64" in str(refused(CSV, f"a,b,c\n1,2,{text}\n".encode()))


@pytest.mark.parametrize("head", ["a,b", "\ufeffa,b", '"a","b"'])
@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ("\n" * 5_000, 413),
        ("\r" * 5_000, 413),
        ("1,x\r\n" * 5_000, 413),
        ("1,x\n" * 10 + "\n", 413),
        ("1,x\n" * 11, 413),
        ("," * 5_000, 422),
        ('1,"' + "x,\n" * 5_000 + '"\n,' + '"",' * 5_000, 422),
        (",\n" + "1,2,3\n" * 5_000, 422),
        ('1,"x"y' + "," * 5_000, 422),
        ('1,"' + "," * 5_000, 400),
    ],
)
def test_rows_and_fields_are_limited(head: str, rows: str, status: int) -> None:
    """A row, or a field of one, that is one too many must be the last that is looked at."""
    with pytest.raises((RequestRefused, SchemaMismatch)) as caught:
        MIXED(f"{head}\n{rows}".encode())

    error = caught.value
    assert (error.failure.status if isinstance(error, RequestRefused) else 422) == status
    assert "5000" not in str(error)


@pytest.mark.parametrize("text", ["," * 5_000, "\n" * 5_000, '""\r\n,' * 5_000])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_commas_and_line_ends_in_quotes_are_no_fields(mark: str, text: str) -> None:
    """A text may hold as many commas and line ends as it likes."""
    body = f'{mark}"a","b"\n' + f'1,"{text}"\n' * 10

    assert MIXED(body.encode()).by_name == {"a": [1.0] * 10, "b": [text.replace('""', '"')] * 10}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"a;b\n1;x\n", "look like semicolons"),
        (b'\xef\xbb\xbf"a";"b"\r\n"1,5";"x"\r\n', "look like semicolons"),
        (b"a\tb\n1\tx,y\n", "look like tabs"),
        (b"sep=,\na,b\n1,x\n", "without a line sep="),
        (b"SEP=;\na;b\n1;x\n", "without a line sep="),
        (b"a,b1,x2,y" * 10, "--data-binary @file"),
        (b"a,b" + b"1,x" * 5_000, "--data-binary @file"),
    ],
)
def test_other_tables_are_told_what_csv_is(body: bytes, hint: str) -> None:
    """Other separators, a line of spreadsheets and line ends that curl took out must be told as what they are."""
    with pytest.raises((RequestRefused, SchemaMismatch), match=hint):
        MIXED(body)


def test_a_header_without_rows_is_told_by_its_names() -> None:
    """A single line that may be the names alone must not be called rows without line ends."""
    with pytest.raises(SchemaMismatch, match="at least one row"):
        MIXED(b'"a","b"')


def test_rows_without_line_ends_are_no_names() -> None:
    """Values that stand in the first line because line ends are gone must not be repeated."""
    with pytest.raises(SchemaMismatch) as caught:
        MIXED(b"a,b1,secret2,secret3,secret")

    assert "secret" not in str(caught.value.to_json()) + str(caught.value)


def test_too_many_names_are_told() -> None:
    """A first line with one name too many must be told with that name, however many rows follow; with thousands, without them."""
    with pytest.raises(SchemaMismatch, match="unknown column"):
        MIXED(b"a,b,c\n" + b"1,x,2\n" * 5_000)
    with pytest.raises(SchemaMismatch, match="more than 1002 fields"):
        MIXED(b"a,b" + b"," * 5_000 + b"\n")


def test_a_blank_line_of_a_single_column_is_a_row() -> None:
    """With one column a blank line must be a row without a value, so that answers stay beside their rows."""
    column = Column("x", "float", "float64", nullable=True)

    assert one(column, "1", "", "2") == [1.0, None, 2.0]
    assert one(column, "1", '""', "2") == [1.0, None, 2.0]


MIXED = CsvDecoder(schema_of(Column("a", "float", "float64"), Column("b", "string", "object")), max_rows=10)
PIECES = st.sampled_from(
    ["a", "b", "c", ",", "\n", "\r\n", "\r", '"', "1", "2.5", "-0", "1e3", "", " ", "nan", "[", "]", "1,2,3\n", "a,b,c\n"]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(["", "a,b,c\n", "c,b,a\r\n"]))
def test_the_fast_way_reads_what_the_other_reads(text: str, head: str) -> None:
    """What is read as plain numbers must have the values that the general way gives."""
    body = (head + text).encode()
    fast = NumberTable(NUMBERS)(body, 10)

    if fast is not None:
        assert fast == general(body)


def test_the_fast_way_is_taken() -> None:
    """Plain numbers must not fall back to the general way unnoticed."""
    assert NumberTable(NUMBERS)(b"c,a,b\r\n3,1,2\r\n6,4,5.5\r\n", 2) == Columns({"a": [1.0, 4.0], "b": [2.0, 5.5], "c": [3.0, 6.0]}, 2)


def general(body: bytes) -> Columns:
    return CsvDecoder(NUMBERS, max_rows=10)._read(body)
