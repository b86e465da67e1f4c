"""Cells: the few places into which all values of a column fall, drawn on the reference and kept for good.

Everything downstream (evidence, severity, histograms) sees counts of cells and never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.values import Floats, Values, digest, digests, instants, key, numbers

Ints = NDArray[np.int64]
Role = Literal["below", "above", "unseen", "missing"]
CategoryKind = Literal["text", "number", "boolean", "date"]

QUANTILES: Final = 64
CATEGORIES: Final = 20
FEW: Final = 20
"""A column of numbers with at most so many different values is one of categories."""
_LONGEST_EXAMPLE: Final = 40
_ENDS: Final[tuple[Role, ...]] = ("below", "above")
_ORDERED: Final = frozenset({"number", "date"})
_MISSING: Final[dict[CategoryKind, str]] = {"number": "missing or not a number", "date": "missing or not a date"}


@dataclass(frozen=True, eq=False)
class NumberCells:
    """Below the reference's minimum, between its quantiles, above its maximum, missing: in this order.

    Args:
        edges: where one inner cell ends and the next begins (which includes the edge); ascending.
        minimum: of the reference.
        maximum: of the reference.
        dates: whether the numbers are seconds since 1970 and the values dates.
    """

    edges: Floats
    minimum: float
    maximum: float
    dates: bool = False

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.edges) + 4

    @property
    def roles(self) -> dict[Role, int]:
        """The cells of values that a model was not trained for."""
        return {"below": 0, "above": self.size - 2, "missing": self.size - 1}

    def numbers(self, values: Values) -> Floats:
        """Values as numbers, NaN for missing ones."""
        return instants(values) if self.dates else numbers(values)

    def read(self, values: Values) -> Ints:
        """One cell per value."""
        found = self.numbers(values)
        cells = np.searchsorted(self.edges, found, side="right") + 1
        cells[found < self.minimum] = 0
        cells[found > self.maximum] = self.size - 2
        cells[np.isnan(found)] = self.size - 1
        return cells

    def end(self, role: Role) -> str:
        """The reference's minimum for what is below it, its maximum for what is above."""
        return self.text(self.minimum if role == "below" else self.maximum)

    def example(self, role: Role, values: list[Any]) -> str:
        """The farthest of some values outside of the reference's range."""
        found = self.numbers(values)
        return self.text(float(np.nanmin(found) if role == "below" else np.nanmax(found)))

    def text(self, number: float) -> str:
        """A number as people read it."""
        if self.dates:
            return _date_text(number)
        return f"{number:.10g}" if float(number).is_integer() else f"{number:.4g}"

    def names(self) -> tuple[str, ...]:
        """What each cell holds."""
        low, high = self.text(self.minimum), self.text(self.maximum)
        borders = [low, *[self.text(float(edge)) for edge in self.edges], high]
        inner = [f"{start} to {end}" for start, end in pairwise(borders)]
        return (f"below {low}", *inner, f"above {high}", _MISSING["date" if self.dates else "number"])


@dataclass(frozen=True, eq=False)
class CategoryCells:
    """The most frequent categories, the other known ones, [below and above them all,] unseen ones, missing: in this order.

    Args:
        top: keys of the most frequent categories, the most frequent first.
        rest: digests of the other categories of the reference, ascending.
        of: what the categories are; of numbers and dates there are only a few different ones.
        ranged: whether they have an order, so that values can be below or above all of them.
    """

    top: tuple[str, ...]
    rest: NDArray[np.uint64]
    of: CategoryKind = "text"
    ranged: bool = False

    def __post_init__(self) -> None:
        known: dict[Any, int] = {}
        for cell, name in enumerate(self.top):
            known[name] = cell
            number = _number_of(name)
            if number is not None:
                known[number] = cell  # also finds 1.0 and True
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_rest", frozenset(self.rest.tolist()))
        held = [float(number) for name in self.top if (number := _number_of(name)) is not None] if self.ranged else []
        if self.ranged and (len(held) != len(self.top) or not held):
            raise ValueError("categories that have no order")
        object.__setattr__(self, "_range", (min(held), max(held)) if held else None)

    @property
    def size(self) -> int:
        """How many cells there are."""
        return len(self.top) + (5 if self.ranged else 3)

    @property
    def roles(self) -> dict[Role, int]:
        """The cells of values that a model was not trained for."""
        ends: dict[Role, int] = {"below": self.size - 4, "above": self.size - 3} if self.ranged else {}
        return {**ends, "unseen": self.size - 2, "missing": self.size - 1}

    def read(self, values: Values) -> Ints:
        """One cell per value."""
        plain = instants(values).tolist() if self.of == "date" else values.tolist() if isinstance(values, np.ndarray) else values
        known: dict[Any, int] = self._known  # type: ignore[attr-defined]  # set in __post_init__, since the class is frozen
        try:
            cells = np.array([known.get(value, -1) for value in plain], dtype=np.int64)
        except TypeError:  # a list or an object among them
            cells = np.full(len(plain), -1, dtype=np.int64)
        for position in np.flatnonzero(cells < 0).tolist():
            cells[position] = self._cell(plain[position])
        return cells

    def _cell(self, value: Any) -> int:
        name = key(value)
        if name is None or (self.of == "number" and not isinstance(value, int | float | np.number | np.bool_)):
            return self.size - 1
        found = self._known.get(name)  # type: ignore[attr-defined]
        if found is not None:
            return int(found)
        if self.ranged:
            low, high = self._range  # type: ignore[attr-defined]
            number = float(numbers([value])[0])
            return self.size - 4 if number < low else self.size - 3 if number > high else self.size - 2
        return len(self.top) if digest(name) in self._rest else self.size - 2  # type: ignore[attr-defined]

    def example(self, role: Role, values: list[Any]) -> str:
        """One of some values not in the reference: outside of its range the farthest one."""
        last = values[-1:]
        if role in {"below", "above"}:
            found = instants(values) if self.of == "date" else numbers(values)
            place = int(np.nanargmin(found) if role == "below" else np.nanargmax(found))
            last = values[place : place + 1]
        return self.text(key(instants(last)[0] if self.of == "date" else last[0]) or "")

    def text(self, name: str) -> str:
        """A category as people read it."""
        if self.of == "boolean" and name in {"0", "1"}:
            return "true" if name == "1" else "false"
        if self.of == "date" and name:
            return _date_text(float(name))
        short = name if len(name) <= _LONGEST_EXAMPLE else name[: _LONGEST_EXAMPLE - 1] + "…"
        return short if self.of == "number" else repr(short)

    def names(self) -> tuple[str, ...]:
        """What each cell holds."""
        missing = _MISSING.get(self.of, "missing")
        ends = [f"{role} {self.end(role)}" for role in _ENDS] if self.ranged else []
        return (*map(self.text, self.top), f"{len(self.rest)} rarer values", *ends, "values not in the reference", missing)

    def end(self, role: Role) -> str:
        """The reference's minimum for what is below it, its maximum for what is above."""
        low, high = self._range  # type: ignore[attr-defined]
        return self.text(key(low if role == "below" else high) or "")


Cells = NumberCells | CategoryCells


def number_cells(reference: Floats, *, dates: bool = False) -> NumberCells | None:
    """Cells of a column of numbers; None when it has too few different ones.

    A value that many rows share has a cell of its own, so that a change of its share is seen and not lost between two quantiles.
    """
    present = np.sort(reference[np.isfinite(reference)])
    distinct, counts = np.unique(present, return_counts=True)
    if len(distinct) <= FEW:
        return None
    if len(distinct) <= QUANTILES:
        edges = distinct[1:]
    else:
        ranks = (np.arange(1, QUANTILES) * len(present)) // QUANTILES
        heavy = np.flatnonzero(counts * QUANTILES >= len(present))
        following = distinct[np.minimum(heavy + 1, len(distinct) - 1)]
        edges = np.unique(np.concatenate([present[ranks], distinct[heavy], following]))
        edges = edges[edges > distinct[0]]
    return NumberCells(edges, float(distinct[0]), float(distinct[-1]), dates)


def category_cells(frequency: Mapping[str, int], of: CategoryKind = "text", *, ranged: bool = False) -> CategoryCells:
    """Cells of a column of categories, by how often each occurs; `ranged` only holds for few numbers and dates."""
    ordered = sorted(frequency, key=lambda name: (-frequency[name], name))
    is_few = 0 < len(ordered) <= CATEGORIES and all(_number_of(name) is not None for name in ordered)
    return CategoryCells(tuple(ordered[:CATEGORIES]), digests(ordered[CATEGORIES:]), of, ranged and is_few and of in _ORDERED)


def _date_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


def _number_of(name: str) -> int | float | None:
    """The number that has this key; None for a text that only looks like one."""
    for read in (int, float):
        try:
            number = read(name)
        except ValueError:
            continue
        if key(number) == name:
            return number
    return None
