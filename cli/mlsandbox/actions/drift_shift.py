"""What `--shift` says, and what it makes of values (pure)."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from mlsandbox.data_rows import Row, typed
from mlsandbox.errors import UsageError

_NUMBER: Final = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_MOVE: Final = re.compile(rf"([+-]?)({_NUMBER})(sd)?")
_LATER: Final = re.compile(rf"([+-]?{_NUMBER})([dhm])")
_MINUTES: Final = {"d": 1_440.0, "h": 60.0, "m": 1.0}
_SCALE: Final = re.compile(rf"[x*]({_NUMBER})")
_MISSING: Final = re.compile(rf"missing=({_NUMBER})%")
_CATEGORY: Final = re.compile(rf"category=(.+):({_NUMBER})%", re.DOTALL)
_FORMS: Final = '"1sd", "+5", "x1.2", "30d", "missing=10%" or "category=VALUE:20%"'
_NUMBERS: Final = frozenset({"float", "integer"})


@dataclass(frozen=True, slots=True)
class Move:
    """Every number becomes larger, or smaller, by so much."""

    by: float
    in_sd: bool
    """In standard deviations of the reference."""

    def __str__(self) -> str:
        return f"{self.by!r}sd" if self.in_sd else f"{self.by:+}"


@dataclass(frozen=True, slots=True)
class Later:
    """Every date becomes later, or earlier, by so many minutes."""

    minutes: float

    def __str__(self) -> str:
        return f"{self.minutes!r}m"


@dataclass(frozen=True, slots=True)
class Scale:
    """Every number is multiplied."""

    factor: float

    def __str__(self) -> str:
        return f"x{self.factor!r}"


@dataclass(frozen=True, slots=True)
class Missing:
    """A share of the values goes missing."""

    percent: float

    def __str__(self) -> str:
        return f"missing={self.percent!r}%"


@dataclass(frozen=True, slots=True)
class Category:
    """A share of the values becomes this one."""

    value: str
    percent: float

    def __str__(self) -> str:
        return f"category={self.value}:{self.percent!r}%"


Shift = Move | Later | Scale | Missing | Category


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a value of one column.

    Args:
        share: of the rows that it happens to.
        whole: numbers stay whole ones.
        add: to a number, after it was multiplied.
        factor: of a number.
        becomes: what other values become; only read when `replaces`.
        replaces: whether the value is replaced rather than computed.
        minutes: that a date becomes later.
    """

    share: float = 1.0
    whole: bool = False
    add: float = 0.0
    factor: float = 1.0
    becomes: object = None
    replaces: bool = False
    minutes: float = 0.0

    def of(self, value: object) -> object:
        """What becomes of one value; what is no number stays as it is when numbers are computed."""
        if self.replaces:
            return self.becomes
        if self.minutes:
            return _later(value, self.minutes)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        number = value * self.factor + self.add
        return (round(number) if self.whole else number) if math.isfinite(number) else value


def parse_shift(text: str) -> Shift:
    """What a --shift says.

    Raises:
        UsageError: nothing that is known, or nothing that changes anything.
    """
    given = text.strip()
    shift: Shift | None = None
    if found := _MOVE.fullmatch(given):
        # A bare number could mean anything: only "5sd", "+5" and "-5" are moves.
        by = float(f"{found[1]}{found[2]}")
        shift = Move(by, in_sd=bool(found[3])) if found[1] or found[3] else None
    elif found := _LATER.fullmatch(given):
        shift = Later(float(found[1]) * _MINUTES[found[2]])
    elif found := _SCALE.fullmatch(given):
        shift = Scale(float(found[1]))
    elif found := _MISSING.fullmatch(given):
        shift = Missing(float(found[1]))
    elif found := _CATEGORY.fullmatch(given):
        shift = Category(found[1], float(found[2]))
    if shift is None:
        raise UsageError(f"--shift {text!r} is not understood", why=f"It must be like {_FORMS}.", fix=_example("1sd"))
    problem = _problem(shift)
    if problem:
        raise UsageError(f"--shift {text!r} {problem}", fix=_example("1sd"))
    return shift


def change_of(shift: Shift, column: Mapping[str, Any], rows: Iterable[Row]) -> Change:
    """What a shift means for a column of a model.

    Args:
        shift: as parsed.
        column: its entry of schema.json.
        rows: of the reference, to measure the column's standard deviation by.

    Raises:
        UsageError: the column cannot be changed so: the endpoint would refuse every such row, or nothing would change.
    """
    name, kind = column["name"], column["type"]
    if isinstance(shift, Missing):
        if not column.get("nullable"):
            raise UsageError(
                f"column {name!r} takes no missing values: the endpoint would refuse every such row",
                why="The reference data has none in it, and a refused row is not compared with it.",
                fix=_example("1sd" if kind in _NUMBERS else "category=VALUE:20%"),
            )
        return Change(shift.percent / 100, becomes=None, replaces=True)
    if isinstance(shift, Category):
        return Change(shift.percent / 100, becomes=_category(shift, column), replaces=True)
    if isinstance(shift, Later) and kind == "datetime":
        return Change(minutes=shift.minutes)
    if kind not in _NUMBERS or isinstance(shift, Later):
        fitting = "30d" if kind == "datetime" else "1sd" if kind in _NUMBERS else "category=VALUE:20%"
        raise UsageError(f"column {name!r} is of the type {kind}", why=f"It cannot be changed by {shift}.", fix=_example(fitting))
    whole = kind == "integer"
    if isinstance(shift, Scale):
        return Change(factor=shift.factor, whole=whole)
    if isinstance(shift, Move):
        by = shift.by * _deviation(name, rows) if shift.in_sd else shift.by
        if whole and round(by) == 0:
            raise UsageError(f"column {name!r} holds whole numbers, and {by:+.3g} rounds to nothing", fix=_example("+1"))
        return Change(add=by, whole=whole)
    assert_never(shift)


def _problem(shift: Shift) -> str:
    if isinstance(shift, Missing | Category):
        return "" if 0 < shift.percent <= 100 else "must be of more than 0% and at most 100% of the rows"
    amount = shift.by if isinstance(shift, Move) else shift.minutes if isinstance(shift, Later) else shift.factor
    if not math.isfinite(amount):
        return "is beyond all numbers"
    return "changes nothing" if amount == (1.0 if isinstance(shift, Scale) else 0.0) else ""


def _category(shift: Category, column: Mapping[str, Any]) -> object:
    """The value as JSON; a category that the endpoint refuses is an error here already."""
    value = typed(shift.value, column)
    known = column.get("categories")
    if column["type"] == "category" and value not in (known or ()):
        shown = ", ".join(map(str, (known or ())[:8])) + (", …" if len(known or ()) > 8 else "")
        raise UsageError(
            f"column {column['name']!r} has no category {shift.value!r}: the endpoint would refuse every such row",
            why=f"It has {shown}.",
            fix=_example("category=VALUE:20%"),
        )
    if value is None:
        raise UsageError(f"{shift.value!r} means a missing value", fix=_example("missing=10%"))
    if column["type"] in {"float", "integer", "boolean"} and isinstance(value, str):
        raise UsageError(
            f"{shift.value!r} is no value of column {column['name']!r}, which is of the type {column['type']}", fix=_example("1sd")
        )
    return value


def _later(value: object, minutes: float) -> object:
    """A date as text, later; what is none, or would be none, stays as it is."""
    try:
        moved = datetime.fromisoformat(str(value)) + timedelta(minutes=minutes)
    except (ValueError, OverflowError):
        return value
    return moved.date().isoformat() if len(str(value)) == len("2026-11-26") else moved.isoformat()


def _deviation(name: str, rows: Iterable[Row]) -> float:
    numbers = [float(row[name]) for row in rows if isinstance(row.get(name), int | float)]
    deviation = statistics.pstdev(numbers) if len(numbers) > 1 else 0.0
    if not deviation > 0 or not math.isfinite(deviation):
        raise UsageError(
            f"column {name!r} has no standard deviation", why=f"{len(numbers)} numbers of it are known, all alike.", fix=_example("+1")
        )
    return deviation


def _example(shift: str) -> str:
    return f"write it as in: sandbox drift inject --column NAME --shift {shift}"
