"""What --shift says, and what becomes of rows."""

from __future__ import annotations

import contextlib
import math
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox.actions.drift_rows import Known, sample
from mlsandbox.actions.drift_send import check_dose, drawn_rows
from mlsandbox.actions.drift_shift import Category, Change, Later, Missing, Move, Scale, Shift, change_of, parse_shift
from mlsandbox.errors import UsageError

FLOAT = {"name": "age", "type": "float", "nullable": False}
WHOLE = {"name": "age", "type": "integer", "nullable": True}
PLAN = {"name": "plan", "type": "category", "nullable": False, "categories": ["basic", "pro"]}
ROWS = tuple({"age": float(number), "plan": "basic"} for number in range(101))
finite = st.floats(allow_nan=False, allow_infinity=False)
percents = st.floats(0, 100, exclude_min=True)
shifts = st.one_of(
    st.builds(Move, finite.filter(bool), in_sd=st.booleans()),
    st.builds(Scale, st.floats(0, 1e300).filter(lambda factor: factor != 1.0)),
    st.builds(Later, finite.filter(bool)),
    st.builds(Missing, percents),
    st.builds(Category, st.text(min_size=1), percents),
)


@given(shifts)
def test_shifts_round_trip(shift: Shift) -> None:
    """A change must be read as it was written."""
    assert parse_shift(str(shift)) == shift


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("1sd", Move(1.0, in_sd=True)),
        ("-0.5sd", Move(-0.5, in_sd=True)),
        ("+5", Move(5.0, in_sd=False)),
        ("-.5", Move(-0.5, in_sd=False)),
        ("x1.2", Scale(1.2)),
        ("30d", Later(43_200.0)),
        ("-2h", Later(-120.0)),
        ("*2", Scale(2.0)),
        ("missing=10%", Missing(10.0)),
        ("category=a:b=c%:20%", Category("a:b=c%", 20.0)),
    ],
)
def test_forms(text: str, shift: Shift) -> None:
    """Each form of the help must be understood; a category may hold any sign."""
    assert parse_shift(text) == shift


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever is written, the answer must be a change or a usage error."""
    with contextlib.suppress(UsageError):
        parse_shift(text)


@pytest.mark.parametrize(
    "text", ["", "5", "sd", "x", "+0", "x1", "0sd", "1e999sd", "missing=0%", "missing=101%", "category=:5%", "nan", "+inf"]
)
def test_no_shifts(text: str) -> None:
    """What changes nothing, or could mean anything, must be refused."""
    with pytest.raises(UsageError):
        parse_shift(text)


@given(st.integers(-(10**9), 10**9), finite.filter(lambda by: abs(by) < 1e300))
def test_whole_numbers_stay_whole(value: int, by: float) -> None:
    """A column of whole numbers must get whole numbers."""
    assert type(Change(add=by, whole=True).of(value)) is int


@given(finite, finite, finite)
def test_numbers_stay_finite(value: float, factor: float, by: float) -> None:
    """JSON has no infinity: a number that would become one stays as it is."""
    changed = Change(factor=factor, add=by).of(value)

    assert isinstance(changed, float)
    assert math.isfinite(changed)


def test_standard_deviations() -> None:
    """A move by standard deviations must be measured on the reference; gaps stay gaps."""
    change = change_of(Move(2.0, in_sd=True), FLOAT, ROWS)

    assert change.of(10.0) == pytest.approx(10 + 2 * math.sqrt((101**2 - 1) / 12))
    assert change.of(None) is None


@pytest.mark.parametrize(
    ("shift", "column"),
    [
        (Missing(10.0), FLOAT),
        (Move(1.0, in_sd=True), PLAN),
        (Scale(2.0), PLAN),
        (Category("gold", 10.0), PLAN),
        (Category("old", 10.0), FLOAT),
        (Category("NA", 10.0), WHOLE),
        (Move(0.3, in_sd=False), WHOLE),
    ],
)
def test_what_the_endpoint_would_refuse(shift: Shift, column: dict[str, object]) -> None:
    """A change that no row would survive, or that changes nothing, must be refused before anything is sent."""
    with pytest.raises(UsageError):
        change_of(shift, column, ROWS)


def test_a_constant_column_has_no_deviation() -> None:
    """Standard deviations of a constant are none."""
    with pytest.raises(UsageError, match="no standard deviation"):
        change_of(Move(1.0, in_sd=True), FLOAT, [{"age": 5.0}] * 10)


def test_shares() -> None:
    """About the share of the rows must be changed; the rest are rows of the reference, and the reference is left as it was."""
    change = change_of(Category("pro", 20.0), PLAN, ROWS)
    drawn = list(islice(drawn_rows(Known(ROWS, "here", len(ROWS)), "plan", change), 5_000))

    assert sum(changed for _, changed in drawn) / 5_000 == pytest.approx(0.2, abs=0.02)
    assert all(changed == (row["plan"] == "pro") for row, changed in drawn)
    assert {row["age"] for row, _ in drawn} == {row["age"] for row in ROWS}
    assert all(row["plan"] == "basic" for row in ROWS)


def test_gaps() -> None:
    """Missing values must be JSON's null."""
    change = change_of(Missing(50.0), WHOLE, ROWS)

    assert {row["age"] for row, changed in islice(drawn_rows(Known(ROWS, "here", len(ROWS)), "age", change), 100) if changed} == {None}


@given(st.lists(st.integers(), max_size=60), st.integers(1, 20))
def test_samples(values: list[int], most: int) -> None:
    """A sample must hold rows that are there, as many as it may, and the same ones each time."""
    rows = [{"n": value} for value in values]
    found = sample(rows, most).rows

    assert len(found) == min(len(rows), most)
    assert all(row in rows for row in found)
    assert found == sample(rows, most).rows


def test_samples_are_of_the_whole_file() -> None:
    """The end of a file must be as likely in a sample as its beginning; what JSON cannot say must not."""
    found, total = sample(({"n": number} for number in range(20_000)), 1_000)
    assert total == 20_000

    assert sum(row["n"] for row in found) / 1_000 == pytest.approx(10_000, rel=0.1)
    assert sample([{"n": math.inf}, {"n": math.nan}, {}, {"n": 1.0}]) == (({"n": 1.0},), 1)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1.0), (100, 0.0), (100_000, 1.0), (1, 1e9), (10_000, 3_600.0)])
def test_bounds(rate: int, seconds: float) -> None:
    """No more may be sent than is meant by a try, whatever was typed."""
    with pytest.raises(UsageError):
        check_dose(rate, seconds, 500)


@given(st.integers(1, 10_000), st.floats(0.001, 100), st.integers(1, 500))
def test_doses(rate: int, seconds: float, size: int) -> None:
    """Requests must hold at least one row and at most as many as the endpoint takes."""
    dose = check_dose(rate, seconds, size)

    assert 1 <= dose.batch <= size
    assert dose.rows >= 1


@pytest.mark.parametrize(
    ("date", "later"),
    [
        ("2024-02-28", "2024-03-01"),
        ("2024-02-28T12:00:00", "2024-03-01T12:00:00"),
        ("2024-02-28T12:00:00+02:00", "2024-03-01T12:00:00+02:00"),
        (None, None),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_dates_become_later(date: str | None, later: str | None) -> None:
    """A date must be moved in the form that it has; what is none must stay."""
    change = change_of(parse_shift("2d"), {"name": "since", "type": "datetime", "nullable": True}, ())

    assert change.of(date) == later


def test_numbers_are_not_moved_by_days() -> None:
    """Days on a number, and numbers on a date, must be refused with what fits."""
    with pytest.raises(UsageError, match="type float") as refused:
        change_of(parse_shift("30d"), FLOAT, ())
    assert "1sd" in (refused.value.fix or "")
    with pytest.raises(UsageError, match="type datetime") as refused:
        change_of(parse_shift("1sd"), {"name": "since", "type": "datetime"}, ())
    assert "30d" in (refused.value.fix or "")
