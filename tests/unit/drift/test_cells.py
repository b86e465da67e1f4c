"""Cells: where values fall, and what they are called."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pytest

from mlsandbox_serving.drift.cells import CategoryCells, NumberCells, category_cells, number_cells
from mlsandbox_serving.drift.profile.build import stream_of
from mlsandbox_serving.drift.streams import Kind
from mlsandbox_serving.drift.values import instants, key, numbers


def _numbers(values: list[float]) -> NumberCells:
    cells = number_cells(np.array(values, dtype=np.float64))
    assert cells is not None
    return cells


def test_numbers_fall_below_between_above_or_nowhere() -> None:
    """Cells must be: below the minimum, up to 64 quantiles, above the maximum, missing."""
    cells = _numbers(list(np.linspace(0, 100, 6_401)))
    assert cells.size == 64 + 3
    found = cells.read([-0.1, 0, 100, 100.1, None, math.nan, math.inf, -math.inf, "5", 50])

    assert found.tolist() == [0, 1, 64, 65, 66, 66, 66, 66, 66, 33]
    assert np.bincount(cells.read(np.linspace(0, 100, 6_400)), minlength=67)[1:65].tolist() == [100] * 64


def test_a_common_number_has_a_cell_of_its_own() -> None:
    """Nine zeros in ten must not share their cell with the smallest of the other numbers."""
    random = np.random.default_rng(1)
    values = np.where(random.random(10_000) < 0.9, 0.0, random.random(10_000) + 0.001)
    stream = stream_of("rain", Kind.FEATURES, values, "number")
    cells = stream.cells

    assert cells.read([0.0]).tolist() != cells.read([0.01]).tolist()
    assert 0.89 < stream.counts[cells.read([0.0])[0]] / 10_000 < 0.91


def test_few_different_numbers_are_categories() -> None:
    """Up to twenty different numbers must be categories, from twenty-one on there is a range."""
    assert number_cells(np.arange(20.0)) is None
    assert number_cells(np.arange(21.0)) is not None
    stream = stream_of("rooms", Kind.FEATURES, [1, 2, 2.0, 3, None], "number")
    assert isinstance(stream.cells, CategoryCells)
    assert stream.cells.top == ("2", "1", "3")
    assert stream.cells.read([2, 2.0, "x", 9, 0, 1.5, math.nan, None, True]).tolist() == [0, 0, 7, 5, 4, 6, 7, 7, 1]
    assert stream.cells.names()[4:6] == ("below 1", "above 3")
    assert stream.cells.example("above", [9, 12, 4]) == "12"


def test_categories_are_the_most_frequent_the_rest_unseen_and_missing() -> None:
    """The twenty most frequent categories must have their own cells, the others of the reference share one."""
    cells = category_cells({f"c{number:02}": 30 - number for number in range(25)})

    assert cells.top == tuple(f"c{number:02}" for number in range(20))
    assert cells.read(["c00", "c19", "c20", "c24", "c25", None, math.nan]).tolist() == [0, 19, 20, 20, 21, 22, 22]
    assert cells.names()[-3:] == ("5 rarer values", "values not in the reference", "missing")


def test_true_and_false_are_told_as_such() -> None:
    """Booleans must keep their words, and their numbers find them."""
    stream = stream_of("member", Kind.FEATURES, np.array([True, True, False]), "boolean")

    assert stream.cells.names()[:2] == ("true", "false")
    assert stream.cells.read([True, 1, 0.0, False, None]).tolist() == [0, 0, 1, 1, 4]


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (1, "1"), (np.int64(3), 3), (np.str_("a"), "a"), (0.5, "0.5"), ([1], "[1]")],
)
def test_the_same_category_in_other_words_has_one_key(one: object, other: object) -> None:
    """How a code is written must not make it another category."""
    assert key(one) == key(other)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, np.float32("nan"), np.datetime64("NaT")])
def test_missing_values_have_no_key(value: object) -> None:
    """Nothing, in whatever form, must be no category."""
    assert key(value) is None


def test_long_categories_stay_apart_and_short() -> None:
    """Texts of any length must keep to 64 characters and still differ."""
    keys = {key("x" * 1_000 + end) for end in "ab"}

    assert len(keys) == 2
    assert all(name is not None and len(name) == 64 for name in keys)


def test_dates_are_read_in_every_form() -> None:
    """ISO texts with and without an offset, dates, and numpy's own must be the same seconds; what is no date is missing."""
    noon = datetime(2024, 5, 31, 12, tzinfo=UTC)
    texts = ["2024-05-31T12:00:00", "2024-05-31T12:00:00Z", "2024-05-31T14:00:00+02:00", noon, np.datetime64("2024-05-31T12:00:00", "ns")]
    assert instants(texts).tolist() == [noon.timestamp()] * 5
    assert instants(np.array(["2024-05-31T12", "NaT"], dtype="datetime64[ns]"))[0] == noon.timestamp()
    assert np.isnan(instants(["31.5.2024", 5, None, np.datetime64("NaT"), {}])).all()
    assert instants([date(1970, 1, 2)]).tolist() == [86_400.0]


def test_numbers_are_read_from_every_array() -> None:
    """Arrays of any number type must be read; infinities are missing as NaN is."""
    for dtype in ("int8", "uint64", "float16", "float32", "bool", "object"):
        assert numbers(np.array([0, 1], dtype=dtype)).tolist() == [0.0, 1.0]
    assert np.isnan(numbers(np.array([np.inf, -np.inf, np.nan]))).all()
    assert np.isnan(numbers(np.array(["1", "2"]))).all()


def test_few_dates_are_categories_with_readable_names() -> None:
    """A column of few different dates must name them as dates, in whatever form they come later."""
    stream = stream_of("day", Kind.FEATURES, np.array(["2024-05-31", "2024-06-30", "2024-06-30"], dtype="datetime64[D]"), "date")

    assert stream.cells.names()[0] == "2024-06-30T00:00:00"
    assert stream.cells.read(["2024-06-30", "2024-05-31T00:00:00", "2024-07-31", "2024-06-15", "2024-01-01", "soon", None]).tolist() == [
        *[0, 1, 4, 5, 3, 6, 6],
    ]
    assert stream.cells.names()[4] == "above 2024-06-30T00:00:00"
