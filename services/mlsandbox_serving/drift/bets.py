"""Bets against the reference: for each stream a handful of tables, one factor per cell, that would win if it had changed in one way.

A table's factors average to 1 under the reference: a bettor who multiplies his stake by them row after row expects to gain nothing as
long as nothing changes. That is all that the bound on false alarms needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift.cells import CategoryCells, Ints
from mlsandbox_serving.drift.streams import FEWEST_ROWS, GROUPS, Kind, Pair, Stream
from mlsandbox_serving.drift.values import Floats

CAP: Final = 20.0
"""The largest factor of a single row, and its inverse the smallest: no two odd rows can raise an alarm."""
ENOUGH_ROWS: Final = ProfileFile.GOOD_ROWS
"""Reference rows from which one standard error is discounted; below it two."""

_LOCATIONS: Final = (0.1, 0.25, 0.5, 1.0)
_SCALES: Final = (0.6, 0.8, 1.25, 1.6)
_RATIOS: Final = (1.25, 2.0, 0.5)
_RATE_STEPS: Final = (0.01, 0.05, 0.2)
_RANGE_STEP: Final = 0.02
_TOWARDS_INDEPENDENCE: Final = (0.25, 0.5, 1.0, -0.5)
_PAIR_TILTS: Final = (0.2, 0.5)
_HEAVY: Final = 0.05
"""A number that makes up so much of a column is also bet on as if it were a category."""
_SURE: Final = 0.9
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, eq=False)
class Bet:
    """One table.

    Args:
        table: before the discount: `(shares * table).sum() == 1`.
        kind: of the alert.
        fitted: how much of the reference's own chance the table follows, in degrees of freedom; 0 for one that is fixed beforehand.
    """

    table: Floats
    kind: Kind
    fitted: float = 0.0


def discount(bet: Bet, shares: Floats, rows: float, errors: int) -> float:
    """By how much a table is divided because the reference shares are themselves estimated.

    Args:
        bet: with an average of 1 under `shares`.
        shares: of the reference.
        rows: independent rows of the reference.
        errors: standard errors by which the shares may be off.
    """
    sd = float(np.sqrt((shares * (bet.table - 1.0) ** 2).sum()))
    return 1.0 + errors * sd / float(np.sqrt(rows)) + bet.fitted / rows


def standard_errors(rows: int) -> int:
    """How many standard errors are discounted with so many reference rows."""
    return 1 if rows >= ENOUGH_ROWS else 2


def stream_bets(stream: Stream) -> list[Bet]:
    """All bets on one stream; with few reference rows only those on rates."""
    rate_kind = Kind.OUTLIERS if stream.kind is Kind.FEATURES else stream.kind
    rates = [Bet(table, rate_kind) for table in _rate_tables(stream)]
    if stream.rows < FEWEST_ROWS:
        return rates
    missing = stream.cells.roles["missing"]
    if isinstance(stream.cells, CategoryCells):
        shapes = _category_tables(stream.shares, range(len(stream.cells.top) + 1))
    else:
        heavy = [cell for cell in range(1, stream.cells.size - 2) if stream.shares[cell] >= _HEAVY]
        shapes = [*_number_tables(stream), *_category_tables(stream.shares, heavy)]
    shapes.append(_one_cell(stream.shares, missing, stream.shares[missing] / 3))
    return [*[Bet(table, stream.kind) for table in shapes], *rates]


def pair_bets(pair: Pair) -> list[Bet]:
    """Bets on a pair: that it became independent, in part or fully, or more dependent; for numbers also in either direction."""
    shares = pair.shares
    joint = shares.reshape(GROUPS, GROUPS)
    first, second = joint.sum(axis=1), joint.sum(axis=0)
    apart = np.log(np.outer(first, second) / joint).ravel()
    freedom = (GROUPS - 1) ** 2
    bets = [Bet(fair(np.exp(part * apart), shares), Kind.FEATURES, abs(part) * freedom) for part in _TOWARDS_INDEPENDENCE]
    if pair.numeric:
        product = np.outer(_scores(first), _scores(second)).ravel()
        bets += [Bet(fair(np.exp(sign * tilt * product), shares), Kind.FEATURES) for tilt in _PAIR_TILTS for sign in (1, -1)]
    return bets


def normal_scores(stream: Stream) -> Floats:
    """The mean normal score of each cell of a column of numbers; 0 for missing."""
    return np.append(_scores(stream.shares[:-1] / stream.shares[:-1].sum()), 0.0)


def fair(table: Floats, shares: Floats) -> Floats:
    """The table with its factors within the cap and an average of 1; both, as neither survives the other done once."""
    for _ in range(200):
        mean = float((shares * table).sum())
        if abs(mean - 1.0) < 1e-13 and table.max() <= CAP and table.min() >= 1.0 / CAP:
            break
        table = np.clip(table / mean, 1.0 / CAP, CAP)
    return table / float((shares * table).sum())


def _rate_tables(stream: Stream) -> list[Floats]:
    shares = stream.shares
    return [
        _one_cell(shares, cell, min(shares[cell] + step, 0.99))
        for role, cell in stream.cells.roles.items()
        if shares[cell] < _SURE
        for step in ((_RANGE_STEP,) if role in {"below", "above"} else _RATE_STEPS)
    ]


def _category_tables(shares: Floats, cells: list[int] | range) -> list[Floats]:
    return [
        _one_cell(shares, cell, min(shares[cell] * ratio, 0.98)) for cell in cells for ratio in _RATIOS if shares[cell] < _SURE or ratio < 1
    ]


def _number_tables(stream: Stream) -> list[Floats]:
    """Normal scores moved and stretched; missing values say nothing."""
    scores = normal_scores(stream)
    tables = [np.exp(sign * move * scores - move * move / 2) for move in _LOCATIONS for sign in (1, -1)]
    tables += [np.exp(0.5 * scores * scores * (1 - 1 / scale**2)) / scale for scale in _SCALES]
    present: Ints = np.arange(len(scores) - 1)
    given = stream.shares[present] / stream.shares[present].sum()
    return [np.append(fair(table[present], given), 1.0) for table in tables]


def _one_cell(shares: Floats, cell: int, other: float) -> Floats:
    """The bet that one cell's share is another one; all others keep their proportions."""
    other = min(other, CAP * shares[cell])
    table = np.full(len(shares), (1.0 - other) / (1.0 - shares[cell]))
    table[cell] = other / shares[cell]
    return fair(table, shares)


def _scores(shares: Floats) -> Floats:
    """Mean of a standard normal variable between its quantiles, interval by interval."""
    borders = [0.0, *np.clip(np.cumsum(shares)[:-1], 1e-12, 1 - 1e-12).tolist(), 1.0]
    densities = np.array([0.0 if border in {0.0, 1.0} else _NORMAL.pdf(_NORMAL.inv_cdf(border)) for border in borders])
    scores: Floats = (densities[:-1] - densities[1:]) / shares
    return scores
