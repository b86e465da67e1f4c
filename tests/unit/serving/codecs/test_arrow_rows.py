"""Arrow streams: what is taken of their types, and that none of them asks for more than it may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.schema import Column, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.codecs.media_types import ARROW
from mlsandbox_serving.service.refusal import RequestRefused
from support.bodies import NUMBERS, as_stream, read, refused

COLUMNS = {
    "float": Column("v", "float", "float64", nullable=True),
    "integer": Column("v", "integer", "Int64", nullable=True),
    "string": Column("v", "string", "object", nullable=True),
    "category": Column("v", "category", "category", categories=("x", "y"), nullable=True),
    "datetime": Column("v", "datetime", "datetime64[ns]", nullable=True),
    "zoned": Column("v", "datetime", "datetime64[ns, UTC]", nullable=True),
    "boolean": Column("v", "boolean", "boolean", nullable=True),
}


def schema_of(kind: str) -> Schema:
    return Schema(input="frame", columns=(COLUMNS[kind],), output=Output("number"))


def stream_of(array: Any, **options: Any) -> bytes:
    return as_stream(pa.table({"v": array}), **options)


@pytest.mark.parametrize(
    ("kind", "array", "expected"),
    [
        ("float", pa.array([1.5, None, float("nan")]), [1.5, None, None]),
        ("float", pa.array([0.5, None], pa.float32()), [0.5, None]),
        ("float", pa.array(np.array([0.5, 2], np.float16)), [0.5, 2.0]),
        ("float", pa.array([1, None], pa.uint8()), [1.0, None]),
        ("float", pa.array([Decimal("1.10"), None]), [1.1, None]),
        ("float", pa.nulls(2), [None, None]),
        ("integer", pa.array([2**62 + 1, None]), [2**62 + 1, None]),
        ("integer", pa.array([2.0, None]), [2, None]),
        ("integer", pa.array([Decimal("9007199254740993.0"), None]), [9007199254740993, None]),
        ("string", pa.array(["a", None], pa.large_string()), ["a", None]),
        ("string", pa.array(["a", None, "b" * 20], pa.string_view()), ["a", None, "b" * 20]),
        ("string", pa.array(["NA", ""]), ["NA", ""]),
        ("category", pa.array(["y", None, "y", "x"]).dictionary_encode(), ["y", None, "y", "x"]),
        ("category", pa.DictionaryArray.from_arrays(pa.array([1, 0, None]), pa.array(["x", None])), [None, "x", None]),
        ("category", pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["x", "y"], pa.string_view())), ["y", "x"]),
        ("datetime", pa.array([datetime(2024, 5, 31, 12), None], pa.timestamp("s")), ["2024-05-31T12:00:00", None]),  # noqa: DTZ001 - the column has no zone
        ("datetime", pa.array([1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
        ("datetime", pa.array([1500], pa.timestamp("ms")), ["1970-01-01T00:00:01.500000"]),
        ("datetime", pa.array([date(2024, 5, 31), None]), ["2024-05-31", None]),
        ("datetime", pa.array([date(2024, 5, 31), None], pa.date64()), ["2024-05-31", None]),
        ("datetime", pa.array(["2024-05-31", None]), ["2024-05-31", None]),
        ("zoned", pa.array([0, None], pa.timestamp("us", "Europe/Berlin")), ["1970-01-01T00:00:00+00:00", None]),
        ("boolean", pa.array([True, None]), [True, None]),
    ],
)
def test_types_that_are_taken(kind: str, array: Any, expected: list[Any]) -> None:
    """Values of Arrow's types must become those that JSON has for them."""
    assert read(ARROW, stream_of(array), schema_of(kind)).by_name == {"v": expected}


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        ("float", pa.array([[1.0]])),
        ("float", pa.array([{"a": 1}])),
        ("float", pa.array([[1.0]], pa.list_(pa.float64(), 1))),
        ("string", pa.array([b"a"])),
        ("string", pa.array([0], pa.timestamp("s"))),
        ("datetime", pa.array([0], pa.time64("us"))),
        ("datetime", pa.array([0], pa.duration("s"))),
        ("string", pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"]))),
        ("float", pa.array([True])),
        ("boolean", pa.array([1])),
        ("zoned", pa.array([0], pa.timestamp("s"))),
        ("datetime", pa.array([0], pa.timestamp("s", "UTC"))),
        ("datetime", pa.array([2**62], pa.timestamp("s"))),
        ("category", pa.array(["z"]).dictionary_encode()),
        ("float", pa.array([float("inf")])),
    ],
)
def test_types_and_values_that_are_not(kind: str, array: Any) -> None:
    """What a column does not take must be a 422 that names the column, nested types among it."""
    error = refused(ARROW, stream_of(array), schema_of(kind))

    assert isinstance(error, SchemaMismatch)
    assert [(fault.column, fault.problem == "missing") for fault in error.faults] == [("v", False)]


def test_a_column_that_comes_twice_is_refused() -> None:
    """Neither of two columns of one name may be dropped."""
    table = pa.Table.from_arrays([pa.array([1.0])] * 4, names=["a", "b", "c", "a"])

    assert "column 'a': sent twice" in str(refused(ARROW, as_stream(table)))


class Labelled(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self) -> None:
        super().__init__(pa.float64(), "tests.labelled")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Labelled:
        raise AssertionError("an extension type was made of a request")


def test_extension_types_are_never_made() -> None:
    """An extension type, which code of its own reads, must be refused before Arrow's library sees it."""
    array = pa.ExtensionArray.from_storage(Labelled(), pa.array([1.0]))
    error = refused(ARROW, stream_of(array), schema_of("float"))

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 400
    assert "extension type" in error.message


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_streams_are_read(codec: str) -> None:
    """Compression must not change what is read."""
    options = pa.ipc.IpcWriteOptions(compression=codec)
    table = pa.table({name: np.arange(500.0) for name in "abc"})

    assert read(ARROW, as_stream(table, options=options)) == read(ARROW, as_stream(table))


def pointed_at(kind: Any) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * 1_000), pa.array(["a" * 1_000_000], kind))


def many_booleans() -> Any:
    booleans = pa.Array.from_buffers(pa.bool_(), 10**9, [None, pa.py_buffer(bytes(125_000_000))])
    return pa.DictionaryArray.from_arrays(pa.array([0]), booleans)


@pytest.mark.parametrize(
    "large",
    [lambda: pa.array(["a" * 100_000_000]), lambda: pointed_at(pa.string()), lambda: pointed_at(pa.string_view()), many_booleans],
    ids=["text", "dictionary", "view", "booleans"],
)
def test_small_bodies_must_not_become_large(large: Callable[[], Any]) -> None:
    """A body of less than a megabyte that expands to more than the limit must be refused before it does."""
    body = stream_of(large(), options=pa.ipc.IpcWriteOptions(compression="zstd"))
    assert len(body) < 2**20

    error = refused(ARROW, body, schema_of("string"))

    assert isinstance(error, RequestRefused)
    assert (error.failure.status, error.failure.code) == (413, ErrorCode.BODY_TOO_LARGE)


def test_streams_in_very_many_pieces_are_refused() -> None:
    """A batch per row must not be a way to make a request expensive."""
    table = pa.table({name: np.arange(2_000.0) for name in "abc"})

    assert "more than 1024 messages" in str(refused(ARROW, as_stream(table, batch_rows=1)))
    assert read(ARROW, as_stream(table, batch_rows=2)).rows == 2_000


@pytest.mark.parametrize(
    "body",
    [
        as_stream(pa.table({"a": [1.0], "b": [1.0], "c": [1.0]}))[:-9],
        as_stream(pa.table({"a": [1.0], "b": [1.0], "c": [1.0]})) + b"more",
        b"ARROW1\x00\x00" + as_stream(pa.table({"a": [1.0]})),
        b"\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff\x00\x00\x00\x00",
    ],
)
def test_what_is_no_stream_is_unreadable(body: bytes) -> None:
    """Files, rests and streams that are cut off must be a 400."""
    error = refused(ARROW, body)

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 400


def test_a_dictionary_in_pieces_is_refused() -> None:
    """Deltas of dictionaries are joined before anything checks them, and must not be taken."""
    kind = pa.dictionary(pa.int8(), pa.string())
    first = pa.record_batch([pa.array(["x"]).dictionary_encode().cast(kind)], names=["v"])
    second = pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([1], pa.int8()), pa.array(["x", "y"]))], names=["v"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, first.schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:
        writer.write_batch(first)
        writer.write_batch(second)

    assert "a delta" in str(refused(ARROW, sink.getvalue().to_pybytes(), schema_of("category")))


def test_dictionaries_that_are_replaced_are_read() -> None:
    """Each batch must be read with the dictionary that it was written with."""
    table = pa.table({"v": pa.chunked_array([pa.array(["x"]).dictionary_encode(), pa.array(["y", "x"]).dictionary_encode()])})

    assert read(ARROW, as_stream(table), schema_of("category")).by_name == {"v": ["x", "y", "x"]}


def test_a_plain_stream_is_not_turned_into_objects() -> None:
    """Floats without gaps must stay a matrix, in the model's order of columns."""
    table = pa.table({"c": [3.0, 6.0], "a": [1.0, 4.0], "b": [2.0, 5.0]})

    assert read(ARROW, as_stream(table, batch_rows=1)).by_name == {"a": [1.0, 4.0], "b": [2.0, 5.0], "c": [3.0, 6.0]}
    assert NUMBERS.names == ("a", "b", "c")


@pytest.mark.parametrize(
    "array",
    [
        pa.nulls(200_000),
        pa.array([False] * 200_000),
        pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int8()), pa.array([1.0])),
    ],
    ids=["nulls", "booleans", "dictionary"],
)
def test_each_value_counts(array: Any) -> None:
    """Values that take nothing in a stream must be counted as values before any of them is made."""
    wide = Schema(
        input="frame", columns=tuple(Column(str(n), "float", "Float64", nullable=True) for n in range(100)), output=Output("number")
    )
    body = as_stream(pa.table(dict.fromkeys(wide.names, array)), options=pa.ipc.IpcWriteOptions(compression="zstd"))

    error = refused(ARROW, body, wide, max_rows=10**6)

    assert isinstance(error, RequestRefused)
    assert error.failure.code == ErrorCode.BODY_TOO_LARGE
    assert len(body) < 200_000


def test_a_column_of_nulls_is_refused_as_a_whole() -> None:
    """A column of the null type, where no null is taken, must be one fault, and not one for each row."""
    error = refused(ARROW, as_stream(pa.table({"a": pa.nulls(9), "b": [1.0] * 9, "c": [1.0] * 9})))

    assert isinstance(error, SchemaMismatch)
    assert [(fault.row, fault.column, fault.problem) for fault in error.faults] == [(None, "a", "null not allowed")]


@pytest.mark.parametrize("index", [-1, 2, 127])
def test_an_index_outside_of_its_dictionary_is_unreadable(index: int) -> None:
    """An index that points nowhere must be a 400, in a later batch with the same dictionary, too."""
    words = pa.array(["x", "y"])
    batches = [
        pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([place], pa.int8()), words, safe=False)], names=["v"])
        for place in (0, index)
    ]
    error = refused(ARROW, as_stream(pa.Table.from_batches(batches)), schema_of("category"))

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 400


def test_a_dictionary_is_checked_as_a_whole() -> None:
    """Texts of a dictionary that are not UTF-8 must be a 400, also where no row points at them."""
    words = pa.Array.from_buffers(pa.string(), 2, [None, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"x\xff")])
    error = refused(ARROW, stream_of(pa.DictionaryArray.from_arrays(pa.array([0, 0]), words)), schema_of("category"))

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 400
