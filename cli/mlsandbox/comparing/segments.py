"""Where two versions differ: the conditions on columns under which they do far more often than elsewhere.

The search takes the group of rows with the largest likelihood ratio, one column or two at a time, then looks on among all other rows: what
only shared rows with a group that was found already is gone by then. A group counts when Fisher's exact test, times the number of
conditions that were looked at (Bonferroni), rules chance out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

from mlsandbox.comparing.certainty import Interval, exceeds_by_chance, likelihood_ratio, wilson
from mlsandbox.comparing.columns import MISSING, OTHER, CodedColumn, Condition

MOST_SEGMENTS: Final = 8
CHANCE: Final = 0.01
"""How likely it may be that one of the segments is named by chance."""
_PARENTS: Final = 10
"""Conditions that are tried together with one on another column."""
_CLEARLY: Final = 1.1
"""Two conditions are named in place of one when they explain so many times as much."""
_LEAST_HITS: Final = 3
_LEAST_RATIO: Final = 1.25
"""A share of differing rows that is less above that of the rest is not worth naming, however certain it is."""
_SIMPLER: Final = 4.0
"""By so much may the G statistic fall for an interval with one border less."""
_SAME: Final = 0.95
"""Conditions with so many of their rows in common are told together."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that differ more often than the others.

    Args:
        conditions: all of which such a row fulfils.
        rows: how many there are.
        differing: how many of them differ.
        elsewhere_rows: rows in no part of it.
        elsewhere_differing: how many of those differ.
        share: of all differing rows.
        chance: how likely it is that chance names such a segment.
        alike: conditions on other columns that hold in nearly the same rows.
    """

    conditions: tuple[Condition, ...]
    rows: int
    differing: int
    elsewhere_rows: int
    elsewhere_differing: int
    share: float
    chance: float
    alike: tuple[Condition, ...] = ()

    @property
    def text(self) -> str:
        return " and ".join(each.text for each in self.conditions)

    @property
    def rate(self) -> float:
        return self.differing / self.rows

    @property
    def interval(self) -> Interval:
        return wilson(self.differing, self.rows)

    @property
    def elsewhere_rate(self) -> float:
        return self.elsewhere_differing / self.elsewhere_rows if self.elsewhere_rows else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "conditions": [each.to_json() for each in self.conditions],
            "rows": self.rows,
            "differing": self.differing,
            "rate": self.rate,
            "rate_interval": list(self.interval),
            "rate_elsewhere": self.elsewhere_rate,
            "share_of_disagreement": self.share,
            "chance": self.chance,
            "alike": [each.text for each in self.alike],
        }


def find_segments(columns: Sequence[CodedColumn], differs: Sequence[bool]) -> tuple[Segment, ...]:
    """Segments, the one that explains most first; none when the differing rows are spread as chance would have it.

    Args:
        columns: of the rows.
        differs: of each row, whether the versions differ.
    """
    whole = _Rows(_joined(bytes([1]) * len(differs)), _joined(bytes(map(bool, differs))), len(differs))
    left = whole
    found: list[Segment] = []
    by_name = {each.name: each for each in columns}
    while len(found) < MOST_SEGMENTS and left.hits >= _LEAST_HITS:
        best = _best(columns, left)
        if best is None:
            break
        mask = _mask(best.parts, by_name)
        found.append(_told(best, mask, whole))
        left = left.without(mask)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some of all rows, as bytes 0 or 1 of one large number each."""

    mask: int
    differing: int
    length: int

    @property
    def rows(self) -> int:
        return self.mask.bit_count()

    @property
    def hits(self) -> int:
        return self.differing.bit_count()

    def within(self, mask: int) -> _Rows:
        return _Rows(self.mask & mask, self.differing & mask, self.length)

    def without(self, mask: int) -> _Rows:
        return _Rows(self.mask & ~mask, self.differing & ~mask, self.length)

    def counts(self, codes: Sequence[int]) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """Of each code how many rows have it, and how many of those differ."""
        chosen, hits = (number.to_bytes(self.length, "little") for number in (self.mask, self.differing))
        return Counter(compress(codes, chosen)), Counter(compress(codes, hits))


@dataclass(frozen=True, slots=True)
class _Part:
    """A condition while it is sought: values of a column, by their codes."""

    column: str
    members: frozenset[int]
    condition: Condition


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that fulfil some parts; `ratio` is their G statistic among the rows of the round."""

    parts: tuple[_Part, ...]
    ratio: float
    chance: float = 1.0
    alike: tuple[_Part, ...] = ()


def _best(columns: Sequence[CodedColumn], left: _Rows) -> _Group | None:
    """What explains most of what is left; None when nothing does."""
    singles = sorted((each for column in columns for each in _of_column(column, left, left)), key=lambda each: -each.ratio)
    if not singles:
        return None
    by_name = {each.name: each for each in columns}
    tests = sum(each.tests for each in columns)
    single = _refined(singles[0], by_name, left)
    best, looked_at = single, tests
    pairs = []
    for parent in singles[:_PARENTS]:
        inside = left.within(_mask(parent.parts, by_name))
        if inside.hits < _LEAST_HITS:
            continue
        for column in columns:
            if column.name != parent.parts[0].column:
                pairs += [_Group((*parent.parts, *each.parts), each.ratio) for each in _of_column(column, inside, left)]
    pair = max(pairs, key=lambda each: each.ratio, default=None)
    if pair is not None and pair.ratio > single.ratio:
        pair = _refined(pair, by_name, left)
        if pair.ratio > _CLEARLY * single.ratio and all(_adds(part, pair, by_name, left, tests) for part in pair.parts):
            best, looked_at = pair, tests * tests // 2
    inside = left.within(_mask(best.parts, by_name))
    chance = min(exceeds_by_chance(inside.hits, inside.rows, left.hits, left.rows) * looked_at, 1.0)
    outside_rate = (left.hits - inside.hits) / max(left.rows - inside.rows, 1)
    if chance > CHANCE or inside.hits < _LEAST_HITS or inside.hits < _LEAST_RATIO * outside_rate * inside.rows:
        return None
    alike = tuple(each.parts[0] for each in singles if len(best.parts) == 1 and _alike(each, best, by_name, left))
    return _Group(best.parts, best.ratio, chance, alike)


def _adds(part: _Part, pair: _Group, by_name: Mapping[str, CodedColumn], left: _Rows, tests: int) -> bool:
    """Whether a condition of a pair says something beyond the other one."""
    (other,) = (each for each in pair.parts if each is not part)
    outer = left.within(_mask((other,), by_name))
    inner = outer.within(_mask((part,), by_name))
    return exceeds_by_chance(inner.hits, inner.rows, outer.hits, outer.rows) * tests < CHANCE


def _of_column(column: CodedColumn, inside: _Rows, left: _Rows) -> list[_Group]:
    """The best conditions on a column among `inside`, against all that are `left`; intervals with borders that are not exact yet."""
    rows, hits = inside.counts(column.coarse)
    found = [_one(column, code, rows[code], hits[code], left) for code in hits if code == MISSING or (code != OTHER and not column.ordered)]
    if column.ordered:
        counts = [(rows.get(cell, 0), hits.get(cell, 0)) for cell in range(max(column.cells, default=-1) + 1)]
        if (best := _best_interval(counts, inside, left)) is not None:
            ratio, first, last = best
            places = [code for code, cell in enumerate(column.cells) if first <= cell <= last]
            condition = column.interval(places[0], places[-1], under=places[0] - 1, over=places[-1] + 1)
            found.append(_Group((_Part(column.name, frozenset(places), condition),), ratio))
    return sorted((each for each in found if each.ratio > 0), key=lambda each: -each.ratio)[:2]


def _one(column: CodedColumn, code: int, rows: int, hits: int, left: _Rows) -> _Group:
    """One value, or that there is none."""
    condition = Condition(column.name, missing=True) if code == MISSING else Condition(column.name, value=column.values[code])
    ratio = likelihood_ratio(hits, rows, left.hits, left.rows) if hits >= _LEAST_HITS else 0.0
    return _Group((_Part(column.name, frozenset({code}), condition),), ratio)


def _best_interval(counts: Sequence[tuple[int, int]], inside: _Rows, left: _Rows) -> tuple[float, int, int] | None:
    """The run of parts with the largest G statistic, as (statistic, first, last).

    A run is best for given shares inside and outside of it; from those of the best run the next ones are taken, as long as it gets better.
    """
    all_hits, all_rows = left.hits, left.rows
    if not all_hits or all_hits == all_rows or not inside.rows:
        return None
    threshold = inside.hits / inside.rows
    hit, miss = 1 - threshold, -threshold
    best: tuple[float, int, int] | None = None
    for _ in range(6):
        first, last = _largest_run([rate * hit + (rows - rate) * miss for rows, rate in counts])
        rows = sum(each[0] for each in counts[first : last + 1])
        hits = sum(each[1] for each in counts[first : last + 1])
        ratio = likelihood_ratio(hits, rows, all_hits, all_rows)
        if hits < _LEAST_HITS or ratio <= (best[0] if best else 0.0):
            break
        best = ratio, first, last
        within, outside = (hits + 0.5) / (rows + 1), (all_hits - hits + 0.5) / (all_rows - rows + 1)
        hit, miss = math.log(within / outside), math.log((1 - within) / (1 - outside))
    if best is None:
        return None
    simpler = [(0, best[2]), (best[1], len(counts) - 1)]
    for first, last in simpler:
        rows = sum(each[0] for each in counts[first : last + 1])
        hits = sum(each[1] for each in counts[first : last + 1])
        ratio = likelihood_ratio(hits, rows, all_hits, all_rows)
        if (first, last) != best[1:] and (first, last) != (0, len(counts) - 1) and ratio > best[0] - _SIMPLER:
            return ratio, first, last
    return best


def _largest_run(gains: Sequence[float]) -> tuple[int, int]:
    """Where the sum of neighbours is largest (Kadane)."""
    best, first, last = -math.inf, 0, 0
    total, start = 0.0, 0
    for place, gain in enumerate(gains):
        if total <= 0:
            total, start = 0.0, place
        total += gain
        if total > best:
            best, first, last = total, start, place
    return first, last


def _refined(group: _Group, by_name: Mapping[str, CodedColumn], left: _Rows) -> _Group:
    """With the exact borders of its intervals."""
    parts = list(group.parts)
    ratio = group.ratio
    for _ in range(len(parts)):  # the borders of one may move those of the other
        for place, part in enumerate(parts):
            column = by_name[part.column]
            if not column.ordered or part.members == {MISSING}:
                continue
            inside = left.within(_mask([each for each in parts if each is not part], by_name)) if len(parts) > 1 else left
            rows, hits = inside.counts(column.codes)
            counts = [(rows.get(code, 0), hits.get(code, 0)) for code in range(len(column.values))]
            exact = _best_interval(counts, inside, left)
            if exact is not None and exact[0] > ratio - _SIMPLER:
                ratio, first, last = exact
                under = next((code for code in range(first - 1, -1, -1) if rows.get(code)), -1)
                over = next((code for code in range(last + 1, len(counts)) if rows.get(code)), len(counts))
                condition = column.interval(first, last, under=under, over=over)
                parts[place] = _Part(part.column, column.members(condition), condition)
    return _Group(tuple(parts), ratio)


def _alike(single: _Group, best: _Group, by_name: Mapping[str, CodedColumn], left: _Rows) -> bool:
    """Whether a condition on another column holds in nearly the same rows."""
    if single.parts[0].column == best.parts[0].column:
        return False
    one, other = left.mask & _mask(single.parts, by_name), left.mask & _mask(best.parts, by_name)
    return (one & other).bit_count() >= _SAME * (one | other).bit_count()


def _told(group: _Group, mask: int, whole: _Rows) -> Segment:
    inside = whole.within(mask)
    return Segment(
        conditions=tuple(part.condition for part in group.parts),
        rows=inside.rows,
        differing=inside.hits,
        elsewhere_rows=whole.rows - inside.rows,
        elsewhere_differing=whole.hits - inside.hits,
        share=inside.hits / whole.hits,
        chance=group.chance,
        alike=tuple(part.condition for part in group.alike),
    )


def _mask(parts: Iterable[_Part], by_name: Mapping[str, CodedColumn]) -> int:
    masks = [_joined(by_name[part.column].mask(part.members)) for part in parts]
    joined = masks[0]
    for each in masks[1:]:
        joined &= each
    return joined


def _joined(mask: bytes) -> int:
    return int.from_bytes(mask, "little")
