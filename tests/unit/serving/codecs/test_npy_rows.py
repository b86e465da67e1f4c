"""Arrays in numpy's file format."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.schema import Column, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.codecs.media_types import NPY
from mlsandbox_serving.service.refusal import RequestRefused
from support.bodies import NUMBERS, as_npy, read, refused

NUMERIC = Schema(
    input="frame",
    columns=(
        Column("x", "float", "float32", nullable=True),
        Column("i", "integer", "int64"),
        Column("b", "boolean", "bool"),
    ),
    output=Output("number"),
)


def file_of(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4", "<f2", "<i8", ">i8", "<i4", ">u2", "u1", "i1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_layouts_of_the_same_array(dtype: str, order: Any) -> None:
    """Types, byte orders and memory orders of the same numbers must be the same request."""
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=dtype, order=order)

    assert read(NPY, as_npy(array)).by_name == {"a": [1.0, 4.0], "b": [2.0, 5.0], "c": [3.0, 6.0]}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_format(version: tuple[int, int]) -> None:
    """All three versions of the format must be read."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([[1.0, 2.0, 3.0]]), version=version)

    assert read(NPY, file.getvalue()).rows == 1


def test_one_row_may_have_one_dimension() -> None:
    """An array of one dimension must be one row."""
    assert read(NPY, as_npy(np.array([1.0, 2.0, 3.0]))).by_name == {"a": [1.0], "b": [2.0], "c": [3.0]}


def test_numbers_take_the_types_of_their_columns() -> None:
    """NaN must be null, whole floats integers, and 0 and 1 booleans, where the column is of that type."""
    array = np.array([[np.nan, 2.0, 0.0], [1.5, -3.0, 1.0]])

    columns = read(NPY, as_npy(array), NUMERIC)

    assert columns.by_name == {"x": [None, 1.5], "i": [2, -3], "b": [False, True]}
    assert [list(map(type, values)) for values in columns.by_name.values()] == [[type(None), float], [int, int], [bool, bool]]


@pytest.mark.parametrize(
    ("array", "column", "problem"),
    [
        (np.array([[1.0, np.nan, 0.0]]), "i", "null not allowed"),
        (np.array([[np.inf, 1.0, 0.0]]), "x", "out of range of float32"),
        (np.array([[1e300, 1.0, 0.0]]), "x", "out of range of float32"),
        (np.array([[1.0, 1.5, 0.0]]), "i", "not a whole number"),
        (np.array([[1.0, 1.0, 2.0]]), "b", "wrong type"),
        (np.array([[True, True, True]]), "x", "wrong type"),
    ],
)
def test_values_that_do_not_fit(array: Any, column: str, problem: str) -> None:
    """A number that a column does not take must be told by row and column."""
    error = refused(NPY, as_npy(array), NUMERIC)

    assert isinstance(error, SchemaMismatch)
    assert (error.faults[0].row, error.faults[0].column, error.faults[0].problem) == (0, column, problem)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
def test_integers_stay_exact(numbers: list[int]) -> None:
    """Integers beyond 2^53 must not pass through floats."""
    schema = Schema(input="frame", columns=(Column("i", "integer", "int64"),), output=Output("number"))

    assert read(NPY, as_npy(np.array(numbers, dtype=np.int64)[:, None]), schema).by_name == {"i": numbers}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_plain_matrix_is_looked_at(value: float) -> None:
    """NaN and infinities must be found in a model of floats alone, wherever they are."""
    for place in np.ndindex(2, 3):
        array = np.ones((2, 3))
        array[place] = value
        error = refused(NPY, as_npy(array))
        assert isinstance(error, SchemaMismatch)
        assert (error.faults[0].row, error.faults[0].column) == (place[0], NUMBERS.names[place[1]])


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 4)),
        np.ones(4),
        np.ones((1, 1, 3)),
        np.float64(1),
        np.ones((0, 3)),
        np.array([["a", "b", "c"]]),
        np.ones((1, 3), dtype=complex),
        np.array([["2024-01-01"] * 3], dtype="datetime64[s]"),
        np.ones((1, 3), dtype=np.longdouble),
    ],
)
def test_other_arrays_are_told_what_is_taken(array: Any) -> None:
    """An array of another shape or type must be a 422."""
    assert isinstance(refused(NPY, as_npy(array)), SchemaMismatch)


@pytest.mark.parametrize(
    "body",
    [
        as_npy(np.array([[object(), {}, None]], dtype=object)),
        as_npy(np.ones((1, 3)))[:-1],
        as_npy(np.ones((1, 3))) + b"\x00",
        as_npy(np.zeros(1, dtype=[("a", "f8")])),
        b"PK\x03\x04" + b"\x00" * 40,
        file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }", b"", (4, 0)),
        file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 3), }"),
        file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), 'shape': (1, 3)}", b"\x00" * 24),
        file_of("{'descr': '<f8', 'fortran_order': __import__('os'), 'shape': (1, 3)}", b"\x00" * 24),
        file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (1, , 3)}", b"\x00" * 24),
        file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (3)}", b"\x00" * 24),
        file_of("(" * 5_000),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    ],
)
def test_what_is_no_plain_array_is_unreadable(body: bytes) -> None:
    """Pickles inside, lengths that are wrong and headers that would have to be evaluated must be a 400."""
    error = refused(NPY, body)

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 400


def test_rows_are_counted_before_values() -> None:
    """A header that announces too many rows must be refused without a byte of them."""
    error = refused(NPY, file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999999999, 3), }"))

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 413
