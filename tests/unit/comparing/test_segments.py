"""Where versions differ: planted groups must be named, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlsandbox.comparing.columns import coded_columns
from mlsandbox.comparing.segments import Segment, find_segments
from support.census import AGE, people

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def census() -> list[Row]:
    """People, with ages as numbers and everything else as categories."""
    return list(people(6_000, seed=1))


def schema_of(row: Row, **types: str) -> dict[str, Any]:
    guessed = {name: "float" if isinstance(value, float) else "category" for name, value in row.items()}
    return {"columns": [{"name": name, "type": types.get(name, kind)} for name, kind in guessed.items()]}


def found(rows: Sequence[Row], differs: Callable[[Row], bool], *, noise: float = 0.0, **types: str) -> tuple[Segment, ...]:
    """Segments of rows of which those differ, and of the others some at random."""
    chance = random.Random(5)
    columns = list(coded_columns(rows, schema_of(rows[0], **types)))
    return find_segments(columns, [differs(row) or chance.random() < noise for row in rows])


def numbers(count: int, columns: int) -> list[Row]:
    chance = random.Random(2)
    return [{f"x{place}": chance.random() for place in range(columns)} for _ in range(count)]


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_an_interval_of_ages_is_named_exactly(census: list[Row], noise: float) -> None:
    """Of people of whom all from 30 to 39 differ these must be named first, to the year, and nothing that only goes with age."""
    segments = found(census, lambda row: 30 <= row[AGE] <= 39, noise=noise)

    assert [each.text for each in segments] == [f"{AGE} from 30 to 39"]
    assert segments[0].rate == 1.0
    assert segments[0].rows == sum(30 <= row[AGE] <= 39 for row in census)


def test_a_category_is_named_though_only_a_part_of_it_differs(census: list[Row]) -> None:
    """A race of which 40% differ must be named, and no column that it goes with, among people of whom 1% do."""
    chance = random.Random(7)
    segments = found(census, lambda row: row["RAC1P"] == "6" and chance.random() < 0.4, noise=0.01)

    assert [each.text for each in segments] == ["RAC1P = 6"]
    assert 0.3 < segments[0].rate < 0.5
    assert segments[0].elsewhere_rate < 0.03


def test_two_conditions_are_named_together(census: list[Row]) -> None:
    """Women under 25 must be named as such, not as women, nor as people under 25."""
    (segment,) = found(census, lambda row: row["SEX"] == "2" and row[AGE] < 25, noise=0.005)

    assert {each.text for each in segment.conditions} == {"SEX = 2", f"{AGE} at most 24"}
    assert segment.rate == 1.0


def test_two_groups_are_both_named(census: list[Row]) -> None:
    """Two groups that have nothing to do with each other must both be named, each on its own."""
    segments = found(census, lambda row: row["RAC1P"] == "6" or 60 <= row[AGE] < 65, noise=0.005)

    assert {each.text for each in segments} == {"RAC1P = 6", f"{AGE} from 60 to 64"}


def test_borders_are_the_roundest_that_fit() -> None:
    """Of numbers with many digits the borders must be the round ones between the rows that differ and those that do not."""
    (segment,) = found(numbers(5_000, 4), lambda row: 0.4 <= row["x3"] < 0.45)

    assert segment.text == "x3 from 0.4 to below 0.45"
    assert (segment.conditions[0].low, segment.conditions[0].below) == (0.4, 0.45)


def test_noise_is_not_named() -> None:
    """Of fifty comparisons without any group in which versions differ more often, none may name one."""
    rows = numbers(1_500, 6)
    columns = list(
        coded_columns([{**row, "kind": "abcdefgh"[place % 8]} for place, row in enumerate(rows)], schema_of({**rows[0], "kind": ""}))
    )
    named: list[Segment] = []
    for seed in range(50):
        chance = random.Random(seed)
        named += find_segments(columns, [chance.random() < 0.05 for _ in rows])

    assert [each.text for each in named] == []


def test_missing_values_are_a_group() -> None:
    """Rows without a value must be named when it is these that differ."""
    rows = [{"income": None if place % 7 == 0 else float(place), "flag": place % 2 == 0} for place in range(700)]
    (segment,) = found(rows, lambda row: row["income"] is None, income="float", flag="boolean")

    assert (segment.text, segment.rows) == ("income missing", 100)
    assert segment.to_json()["conditions"] == [{"column": "income", "missing": True}]


def test_columns_that_say_the_same_are_told_together() -> None:
    """Of two columns of which each tells the other, one must be named, and the other beside it."""
    rows = [{"code": f"c{place % 20}", "name": f"n{place % 20}", "size": float(place)} for place in range(2_000)]
    (segment,) = found(rows, lambda row: row["code"] == "c3")

    assert segment.text == "code = c3"
    assert [each.text for each in segment.alike] == ["name = n3"]


def test_dates_are_cut_as_numbers_are() -> None:
    """Of times those after a day must be named, whatever zone each is written in."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [{"at": (first + timedelta(hours=place)).isoformat(), "x": place % 3} for place in range(2_000)]
    (segment,) = found(rows, lambda row: row["at"] >= "2026-03-01", at="datetime", x="integer")

    assert segment.text == "at at least 2026-03-01T00:00:00Z"


def test_one_value_and_all_rows_are_no_group() -> None:
    """Without rows, without columns that vary, without differing rows, and where all differ, nothing may be named."""
    assert found([{"x": 1.0}] * 100, lambda _: True) == ()
    assert found(numbers(500, 3), lambda _: True) == ()
    assert found(numbers(500, 3), lambda _: False) == ()
    assert find_segments([], []) == ()


def test_hidden_columns_are_not_searched() -> None:
    """A column whose values may not be told must not be searched, whatever it would explain."""
    rows = [{"hushed": place % 2, "x": place} for place in range(400)]
    columns = list(coded_columns(rows, schema_of(rows[0], hushed="integer", x="integer"), {"hushed"}))

    assert [each.name for each in columns] == ["x"]
    assert find_segments(columns, [row["hushed"] == 1 for row in rows]) == ()
