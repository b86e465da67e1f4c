"""What rows and columns of the reference have to do with each other: the stride, and the pairs worth watching."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np

from mlsandbox_serving.drift.bets import normal_scores
from mlsandbox_serving.drift.cells import Ints, NumberCells
from mlsandbox_serving.drift.streams import GROUPS, PAIR_CELLS, Kind, Pair, Stream, association, pair_cells
from mlsandbox_serving.drift.values import Floats

MOST_PAIRS: Final = 200
LONGEST_STRIDE: Final = 50
_INDEPENDENT: Final = 0.05
_CHANCE: Final = 3.0
"""Standard errors of an autocorrelation that are taken for chance; only with few rows that is more than _INDEPENDENT."""
_MOST_ROWS: Final = 20_000
_WORTHWHILE: Final = 0.05


def stride_of(stream: Stream, cells: Ints, *, within: int | None = None) -> int:
    """The first lag at which the autocorrelation is negligible, at most 50.

    Args:
        stream: of the reference.
        cells: of its rows, in time order.
        within: look at stretches of so many rows on their own, so that a slow trend is not taken for rows that depend on each other.
    """
    cells = cells[-_MOST_ROWS:]
    bound = max(_INDEPENDENT, _CHANCE / float(np.sqrt(len(cells))))
    size = len(cells) if within is None else min(within, len(cells))
    stretches = cells[len(cells) % size :].reshape(-1, size)
    numeric = isinstance(stream.cells, NumberCells)
    centred = _centred(normal_scores(stream)[stretches]) if numeric else np.empty(0)
    chance = 0.0 if numeric else _chance(stretches)
    longest = min(LONGEST_STRIDE, size - 1)
    for lag in range(1, longest):
        if abs(_correlation(centred, lag) if numeric else _agreement(stretches, lag, chance)) < bound:
            return lag
    return max(longest, 1)


def pairs_of(streams: Sequence[Stream], cells: Ints) -> tuple[Pair, ...]:
    """Pairs of input columns that have to do with each other, the strongest first, at most 200.

    Args:
        streams: all of them.
        cells: rows by streams.
    """
    columns = [position for position, stream in enumerate(streams) if stream.kind is Kind.FEATURES]
    if len(columns) < 2:
        return ()
    groups = np.stack([streams[position].groups[cells[:, position]] for position in columns], axis=1)
    sample = groups[:: -(-len(groups) // _MOST_ROWS)]
    present = (sample[:, :, None] == np.arange(GROUPS)).reshape(len(sample), -1).astype(np.float32)
    joint = np.asarray(present.T @ present, dtype=np.float64).reshape(len(columns), GROUPS, len(columns), GROUPS)
    strengths = [(association(joint[one, :, other, :]), one, other) for one, other in combinations(range(len(columns)), 2)]
    chosen = sorted((entry for entry in strengths if entry[0] >= _WORTHWHILE), key=lambda entry: (-entry[0], entry[1], entry[2]))
    return tuple(_pair(streams, columns, groups, one, other) for _, one, other in chosen[:MOST_PAIRS])


def _pair(streams: Sequence[Stream], columns: Sequence[int], groups: Ints, one: int, other: int) -> Pair:
    cells = pair_cells(groups[:, one], groups[:, other])
    counts = np.bincount(cells[cells >= 0], minlength=PAIR_CELLS)
    numeric = all(isinstance(streams[columns[position]].cells, NumberCells) for position in (one, other))
    return Pair(columns[one], columns[other], counts, association(counts.astype(np.float64)), numeric)


def _centred(scores: Floats) -> Floats:
    centred: Floats = scores - scores.mean(axis=1, keepdims=True)
    return centred


def _correlation(centred: Floats, lag: int) -> float:
    square = float((centred**2).sum())
    return float((centred[:, lag:] * centred[:, :-lag]).sum()) / square if square > 0 else 0.0


def _chance(cells: Ints) -> float:
    """How often two different rows of the same stretch have the same category."""
    size = int(cells.shape[1])
    alike = sum(float((np.bincount(stretch).astype(np.float64) ** 2).sum()) - size for stretch in cells)
    return alike / (len(cells) * max(size * (size - 1), 1))


def _agreement(cells: Ints, lag: int, chance: float) -> float:
    """How much more often than by chance two rows have the same category: 0 for independent ones, 1 for always."""
    same = float(np.mean(cells[:, lag:] == cells[:, :-lag]))
    return (same - chance) / (1.0 - chance) if chance < 1.0 else 0.0
