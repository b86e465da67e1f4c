"""Checked rows say the same in each of the forms in which they are held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.schema import Columns

NAMES = ("a", "b")
LISTS: dict[str, list[Any]] = {"a": [1.0, 2.0, 3.0], "b": [0.5, -0.0, 1e300]}
ROWS = list(zip(*LISTS.values(), strict=True))


def forms() -> dict[str, Columns]:
    return {
        "lists": Columns({name: list(values) for name, values in LISTS.items()}, 3),
        "tuples": Columns.of_tuples(NAMES, list(ROWS)),
        "matrix": Columns.of_matrix(NAMES, np.array(ROWS)),
    }


@pytest.mark.parametrize("form", forms())
def test_values_are_the_same_in_every_form(form: str) -> None:
    """Lists by name, all or the first of them, must be plain JSON values in the columns' order."""
    columns = forms()[form]

    assert columns.head(2) == {"a": [1.0, 2.0], "b": [0.5, -0.0]}
    assert columns.head(1) == {"a": [1.0], "b": [0.5]}
    assert columns.head(0) == {"a": [], "b": []}
    assert (columns.by_name, columns.rows, columns.names) == (LISTS, 3, NAMES)
    assert columns.head(7) == LISTS
    assert list(columns.by_name) == list(NAMES)
    assert {type(value) for values in columns.by_name.values() for value in values} == {float}
    assert all(columns == other for other in forms().values())


@pytest.mark.parametrize("form", forms())
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_new_and_laid_out_as_asked(form: str, order: Any) -> None:
    """An array of all values must be a copy, which a model may change, with the layout that was asked for."""
    columns = forms()[form]

    array = columns.array(np.dtype("float64"), order=order)

    np.testing.assert_array_equal(array, ROWS)
    assert array.flags["C_CONTIGUOUS" if order == "C" else "F_CONTIGUOUS"]
    array[:] = 0
    assert columns.by_name == LISTS


@pytest.mark.parametrize("first", forms())
@pytest.mark.parametrize("second", forms())
def test_joined_rows_keep_their_order(first: str, second: str) -> None:
    """Rows of several requests must follow one another whatever their forms, and each request must keep its own."""
    parts = [forms()[first], forms()[second].__class__(LISTS, 3), forms()[second]]

    joined = Columns.joined(parts)

    assert joined.rows == 9
    assert joined.by_name == {name: values * 3 for name, values in LISTS.items()}
    assert [part.by_name for part in parts] == [LISTS] * 3


def test_joining_keeps_the_cheap_form() -> None:
    """Rows that are all tuples, or all one matrix, must stay so; one request alone is handed on as it is."""
    lists, tuples, matrix = forms().values()

    assert Columns.joined([tuples, tuples]).tuples == ROWS * 2
    stacked = Columns.joined([matrix, matrix]).matrix
    assert stacked is not None
    assert stacked.tolist() == [list(row) for row in ROWS] * 2
    assert Columns.joined([lists]) is lists


def test_null_becomes_nan_in_arrays() -> None:
    """A missing number must be NaN in an array of floats."""
    rows: list[tuple[Any, ...]] = [(None, 1), (2.5, 3)]

    for columns in (Columns.of_tuples(NAMES, rows), Columns({"a": [None, 2.5], "b": [1, 3]}, 2)):
        np.testing.assert_array_equal(columns.array(np.dtype("float32"), order="C"), np.array([[np.nan, 1], [2.5, 3]], dtype="float32"))


def test_rows_that_differ_are_not_equal() -> None:
    """Other values, other rows and other things are not equal."""
    lists = forms()["lists"]

    assert lists != Columns({**LISTS, "b": [0.5, 0.0, 1.0]}, 3)
    assert lists != LISTS
    assert repr(lists) == f"Columns({LISTS!r}, 3)"
