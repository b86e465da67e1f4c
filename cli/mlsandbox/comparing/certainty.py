"""How certain a share is, and whether one group differs from the rest more often than chance would have it."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

_Z: Final = 1.959963984540054
"""Of a two-sided 95% interval."""


class Interval(NamedTuple):
    """Where a share lies with 95% certainty; both ends from 0 to 1."""

    low: float
    high: float


def wilson(hits: int, rows: int) -> Interval:
    """Wilson's score interval of `hits` out of `rows`; of no rows nothing is known."""
    if not rows:
        return Interval(0.0, 1.0)
    share = hits / rows
    square = _Z * _Z / rows
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    return Interval(max(middle - half, 0.0) if hits else 0.0, min(middle + half, 1.0) if hits < rows else 1.0)


def likelihood_ratio(hits: int, rows: int, all_hits: int, all_rows: int) -> float:
    """The G statistic of a group against the rest; 0 when the group's share is no higher than that of the rest."""
    other_hits, other_rows = all_hits - hits, all_rows - rows
    if not rows or not other_rows or hits * other_rows <= other_hits * rows:
        return 0.0
    return 2 * (_log_likelihood(hits, rows) + _log_likelihood(other_hits, other_rows) - _log_likelihood(all_hits, all_rows))


def exceeds_by_chance(hits: int, rows: int, all_hits: int, all_rows: int) -> float:
    """Fisher's exact test, one-sided: how likely so many hits or more are in `rows` that are drawn from all at random."""
    most = min(rows, all_hits)
    if hits <= max(0, rows + all_hits - all_rows):
        return 1.0
    whole = _log_choose(all_rows, rows)
    total = 0.0
    for count in range(hits, most + 1):
        term = math.exp(_log_choose(all_hits, count) + _log_choose(all_rows - all_hits, rows - count) - whole)
        total += term
        if term < total * 1e-17 and count > hits:
            break
    return min(total, 1.0)


def _log_likelihood(hits: int, rows: int) -> float:
    missed = rows - hits
    return (hits * math.log(hits / rows) if hits else 0.0) + (missed * math.log(missed / rows) if missed else 0.0)


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)
