"""Streams: what is watched, one per column, prediction, score, loss or pair of columns, each with its cells and reference shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np

from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift.cells import CategoryCells, Cells, Ints, NumberCells
from mlsandbox_serving.drift.values import Floats

GROUPS: Final = 5
"""Coarse groups of a column in a pair."""
PAIR_CELLS: Final = GROUPS * GROUPS
FEWEST_ROWS: Final = ProfileFile.FEWEST_ROWS
"""Below so many reference rows only the rates of missing, unseen and out-of-range values are watched."""
_MOST_UNSEEN: Final = 0.9
_CHANCE: Final = 5.0
"""Standard deviations of chi-square that are taken for chance, as the strongest of many pairs are chosen."""
_CAUTION: Final = 4.0
"""Standard errors by which a rate of so few rows is taken to be larger than it was."""


class Kind(StrEnum):
    """What an alert is about; there is at most one of each per model."""

    FEATURES = "features"
    """Values that occur more or less often than in the reference, and pairs of columns that relate otherwise."""
    PREDICTION = "prediction"
    """The same of what the model answers."""
    OUTLIERS = "outliers"
    """Values for which the model was not trained: out of range, unseen, missing."""
    PERFORMANCE = "performance"
    """Labels that came later, and the loss beside them."""


@dataclass(frozen=True, eq=False)
class Stream:
    """One column, prediction or loss, as the reference has it.

    Args:
        name: of the column.
        kind: FEATURES for an input column (its rates belong to OUTLIERS); else what it is.
        cells: into which its values fall.
        counts: rows of the reference in each cell.
        singletons: how many categories occur once in the reference.
        sd: standard deviation of the reference's numbers; 0 for categories.
        stride: rows from one to the next that are as good as independent in this column.
    """

    name: str
    kind: Kind
    cells: Cells
    counts: Ints
    singletons: int = 0
    sd: float = 0.0
    stride: int = 1

    @property
    def rows(self) -> int:
        """Rows of the reference."""
        return int(self.counts.sum())

    @cached_property
    def shares(self) -> Floats:
        """Probability of each cell under the reference; never 0, as it is of finitely many rows.

        Outside of the range of n values lies the next one with probability 1/(n+1) on either side. What was never seen has the
        Good-Turing estimate: the share of what was seen once, which is taken from the rarer categories, as it is theirs that is too
        large. With a fixed small share instead, a column of many rare categories would look as if it had drifted from its first row on.
        Of few rows these are not estimates but bounds, since nothing but them is watched and there are several in each column.
        """
        counts = self.counts.astype(np.float64)
        bound = _bound if self.rows < FEWEST_ROWS else _expected
        counts[-1] = bound(counts[-1])
        if isinstance(self.cells, NumberCells):
            counts[1:-2] += 0.5
            counts[[0, -2]] = bound(0.0)
            given: Floats = counts / counts.sum()
            return given
        unseen = min(bound(float(self.singletons)) / (self.rows + 1.0), _MOST_UNSEEN)
        rest = len(self.cells.top)
        counts[rest] -= min(counts[rest], self.singletons)
        counts[:-1] += 0.5
        counts[rest + 1 : -2] = bound(0.0)
        counts[-2] = 0.0
        shares: Floats = counts / counts.sum() * (1.0 - unseen)
        shares[-2] = unseen
        return shares

    @cached_property
    def groups(self) -> Ints:
        """The coarse group (0 to 4) of each cell in a pair of columns; -1 for missing, which says nothing about the other one."""
        if isinstance(self.cells, CategoryCells):
            groups = np.minimum(np.arange(self.cells.size), GROUPS - 1)
        else:
            middle = np.cumsum(self.shares[:-1]) - self.shares[:-1] / 2
            groups = np.minimum((middle / self.shares[:-1].sum() * GROUPS).astype(np.int64), GROUPS - 1)
            groups = np.append(groups, 0)
        groups[-1] = -1
        return groups


@dataclass(frozen=True, eq=False)
class Pair:
    """Two columns whose relation is watched.

    Args:
        first: position of the first column's stream.
        second: position of the second one's.
        counts: rows of the reference in each of the 25 cells, by coarse group of the first, then of the second.
        association: Cramér's V of the two on the reference; 1 is the strongest.
        numeric: whether both are numbers, so that there is a direction.
    """

    first: int
    second: int
    counts: Ints
    association: float
    numeric: bool

    @property
    def shares(self) -> Floats:
        """Probability of each cell under the reference."""
        counts = self.counts.astype(np.float64) + 0.5
        shares: Floats = counts / counts.sum()
        return shares


def _expected(count: float) -> float:
    return count + 1.0


def _bound(count: float) -> float:
    return count + 1.0 + _CAUTION * float(np.sqrt(count + 1.0))


def pair_cells(first: Ints, second: Ints) -> Ints:
    """The cell of each row in a pair, from its coarse groups; -1 when one of them is missing. Works on any shape."""
    cells: Ints = np.where((first < 0) | (second < 0), -1, first * GROUPS + second)
    return cells


def association(counts: Floats) -> float:
    """Cramér's V of a 5 by 5 table, less what independent columns of so many rows would show; 0 when it may well be chance."""
    rows = counts.sum()
    table = counts.reshape(GROUPS, GROUPS)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    smaller = min(table.shape) - 1
    if rows == 0 or smaller < 1:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / rows
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    square = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(max(square - freedom, 0.0) / rows / smaller)) if square > freedom + _CHANCE * np.sqrt(2 * freedom) else 0.0
