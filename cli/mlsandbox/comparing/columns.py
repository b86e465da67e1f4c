"""Columns of rows as numbers of cells, and conditions on them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

CELLS: Final = 40
"""Into so many parts the values of a numeric column are cut, each with about as many rows; borders are sought exactly later."""
MOST_VALUES: Final = 100
"""Values of a column that are looked at one by one, the most frequent; what is rarer belongs to none of them."""
MISSING: Final = -1
OTHER: Final = -2
"""Cell of a value that is too rare, or no value of the column's type."""
_ORDERED: Final = frozenset({"integer", "float", "datetime"})

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row must fulfil in one column.

    Args:
        column: its name.
        missing: there is no value; then nothing of the others is given.
        value: equals this.
        low: at least this; None: no border.
        below: less than this; None: no border.
        high: at most this, in place of `below` where values are whole.
    """

    column: str
    missing: bool = False
    value: Any = None
    low: Any = None
    below: Any = None
    high: Any = None

    @property
    def text(self) -> str:
        """As a part of a sentence."""
        if self.missing:
            return f"{self.column} missing"
        if self.low is None and self.high is None and self.below is None:
            return f"{self.column} = {self.value}"
        upper = f"at most {self.high}" if self.high is not None else f"below {self.below}"
        if self.low is None:
            return f"{self.column} {upper}"
        if self.high is None and self.below is None:
            return f"{self.column} at least {self.low}"
        return f"{self.column} from {self.low} to {self.high if self.high is not None else upper}"

    def to_json(self) -> dict[str, Any]:
        """What is given of it alone."""
        if self.missing:
            return {"column": self.column, "missing": True}
        names = ("low", "high", "below")
        borders = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {"column": self.column, **(borders or {"value": self.value})}


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """One column.

    Args:
        name: of it.
        values: the values that are told apart; in order, when they have one.
        codes: of each row the place of its value in `values`, MISSING or OTHER.
        ordered: neighbours can be joined to an interval.
        cells: of each value the part that it belongs to; the value's own place without an order.
        coarse: of each row the part.
    """

    name: str
    values: Sequence[Any]
    codes: Sequence[int]
    ordered: bool
    cells: Sequence[int]
    coarse: Sequence[int]

    @property
    def tests(self) -> int:
        """How many conditions a search looks at."""
        parts = len(set(self.cells))
        parts *= 2 if parts < len(self.values) else 1  # as borders are sought exactly then
        return parts * (parts + 1) // 2 + 1 if self.ordered else parts + 1

    def mask(self, members: Collection[int]) -> bytes:
        """For each row a byte: 1 when its code is one of these."""
        table = bytearray(len(self.values) + 2)  # the last two are MISSING's and OTHER's
        for code in members:
            table[code] = 1
        return bytes(map(table.__getitem__, self.codes))

    def interval(self, first: int, last: int, *, under: int, over: int) -> Condition:
        """The values from one place to another as a condition, with the roundest borders that leave out the same rows.

        Args:
            first: place of the lowest value.
            last: place of the highest one.
            under: place of the next lower value that is to be left out; -1: there is none.
            over: place of the next higher value that is to be left out; `len(values)`: there is none.
        """
        values = self.values
        lower, upper = under >= 0, over < len(values)
        if first == last and lower and upper and _is_whole(values[first]):
            return Condition(self.name, value=_plain(values[first]))
        if isinstance(values[0], datetime) or all(map(_is_whole, values)):
            return Condition(self.name, low=_plain(values[first]) if lower else None, high=_plain(values[last]) if upper else None)
        low = _roundest(values[under], values[first]) if lower else None
        return Condition(self.name, low=low, below=_roundest(values[last], values[over]) if upper else None)

    def members(self, condition: Condition) -> frozenset[int]:
        """The codes of an ordered column's values that an interval holds."""
        return frozenset(code for code, value in enumerate(self.values) if _holds(condition, _plain(value)))


def coded_columns(rows: Sequence[Row], schema: Mapping[str, Any], hidden: Collection[str] = ()) -> Iterator[CodedColumn]:
    """The columns of a schema, without hidden ones and those that are the same in all rows.

    Args:
        rows: with JSON values.
        schema: schema.json of the model.
        hidden: columns whose values may not be told.
    """
    for column in schema["columns"]:
        name = column["name"]
        if name in hidden:
            continue
        found = _coded(name, [row.get(name) for row in rows], ordered=column["type"] in _ORDERED, dates=column["type"] == "datetime")
        if len(found.values) + (MISSING in found.codes) + (OTHER in found.codes) > 1:
            yield found


def _coded(name: str, given: Sequence[Any], *, ordered: bool, dates: bool) -> CodedColumn:
    if ordered:
        numbers = [_moment(value) if dates else _number(value) for value in given]
        counts = Counter(number for number in numbers if number is not None)
        values: list[Any] = sorted(counts)
        cells = _cut(values, counts)
        place = {value: index for index, value in enumerate(values)}
        codes = [
            place[number] if number is not None else MISSING if value is None else OTHER
            for number, value in zip(numbers, given, strict=True)
        ]
    else:
        keys = [_key(value) for value in given]
        frequent = Counter(key for key in keys if key is not None).most_common(MOST_VALUES)
        ordered_keys = sorted((key for key, _ in frequent), key=str)
        values = [value for _, value in ordered_keys]
        cells = list(range(len(values)))
        known = {key: index for index, key in enumerate(ordered_keys)}
        codes = [MISSING if key is None else known.get(key, OTHER) for key in keys]
    table = [*cells, OTHER, MISSING]
    return CodedColumn(name, values, codes, ordered, cells, list(map(table.__getitem__, codes)))


def _cut(values: Sequence[Any], counts: Mapping[Any, int]) -> list[int]:
    """The part of each value: as many parts as values when there are few of them, else parts of about as many rows."""
    if len(values) <= CELLS:
        return list(range(len(values)))
    total, before, cells = sum(counts.values()), 0, []
    for value in values:
        cells.append(min(before * CELLS // total, CELLS - 1))
        before += counts[value]
    names = sorted(set(cells))
    return [bisect_right(names, cell) - 1 for cell in cells]  # numbered without gaps


def _key(value: Any) -> tuple[str, Any] | None:
    """What makes values the same: 1 and true are not."""
    if value is None:
        return None
    return (
        "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text",
        value if not isinstance(value, list | dict) else str(value),
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _plain(value: Any) -> Any:
    """As JSON knows it; whole numbers without a point."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _holds(condition: Condition, value: Any) -> bool:
    if condition.low is None and condition.high is None and condition.below is None:
        return bool(value == condition.value)
    above = condition.low is None or value >= condition.low
    return above and (condition.high is None or value <= condition.high) and (condition.below is None or value < condition.below)


def _roundest(under: float, value: float) -> Any:
    """The number with the fewest digits that is greater than `under` and at most `value`."""
    size = max(abs(under), abs(value), 1e-300)
    first = -math.floor(math.log10(size))
    for digits in range(first, first + 18):
        rounded = math.floor(value * 10.0**digits) / 10.0**digits if digits < 300 else value
        rounded = round(rounded, digits) if digits > 0 else rounded
        if under < rounded <= value:
            return _plain(rounded)
    return _plain(value)
