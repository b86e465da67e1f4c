"""How large a change is, in the measures that practitioners know; how certain it is says `sequential`.

PSI is that of about ten groups, less what a window of w rows shows without any change: (groups - 1) * (1/w + 1/n), of rows that are as
good as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import numpy as np

from mlsandbox_serving.drift.cells import Ints, NumberCells
from mlsandbox_serving.drift.streams import Pair, Stream
from mlsandbox_serving.drift.values import Floats

_GROUPS: Final = 10
_OWN_GROUP: Final = 0.02
"""Share from which a category is compared on its own; of the others there would be too few rows in a window."""
_HALF_A_ROW: Final = 0.5
"""Added to each group, if as much is expected there, so that no share is 0; what is not there when little is expected is no change."""
_PSI: Final = (0.05, 0.1, 0.25)
_EXCESS: Final = (0.005, 0.01, 0.05)


class Severity(IntEnum):
    """Size of a change. MEDIUM is where an alert may page."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


def smallest_psi(severity: Severity) -> float:
    """From which population stability index on a change has this severity."""
    return _PSI[severity - 1]


def smallest_excess(severity: Severity) -> float:
    """From which excess on a rate has this severity."""
    return _EXCESS[severity - 1]


def of_psi(psi: float) -> Severity:
    """Severity of a population stability index, its noise floor taken off."""
    return Severity(sum(psi >= border for border in _PSI))


def of_excess(excess: float) -> Severity:
    """Severity of a rate's excess over the reference; one point is medium."""
    return Severity(sum(excess >= border for border in _EXCESS))


class Grouping:
    """The cells of all streams, brought into a few groups each.

    Args:
        shares: of the reference, of all streams one after the other.
        groups: the group of each cell, likewise, counted through from 0.
        starts: the first group of each stream.
        rows: rows of the reference behind each stream.
        strides: of each stream.
    """

    def __init__(self, shares: Floats, groups: Ints, starts: Ints, rows: Floats, strides: Ints) -> None:
        self._groups = groups
        self._starts = starts
        self._sizes = np.diff(np.append(starts, groups.max(initial=-1) + 1))
        self._reference: Floats = np.bincount(groups, weights=shares).astype(np.float64)
        self._rows = rows
        self._strides = strides

    def psi(self, counts: Ints) -> Floats:
        """PSI of each stream, less its noise floor and never below 0; 0 for a stream without rows."""
        if not len(self._starts):
            return np.empty(0)
        grouped = np.bincount(self._groups, weights=counts)
        window = np.add.reduceat(grouped, self._starts)
        spread = np.repeat(window, self._sizes)
        expected = spread * self._reference
        added = np.minimum(expected, _HALF_A_ROW)
        live = (grouped + added) / np.maximum(spread + np.repeat(np.add.reduceat(added, self._starts), self._sizes), _HALF_A_ROW)
        live = np.where(spread > 0, live, self._reference)
        psi = np.add.reduceat((live - self._reference) * np.log(live / self._reference), self._starts)
        # A group in which hardly a row is expected adds less noise than a whole degree of freedom.
        freedom = np.add.reduceat(np.minimum(expected, 1.0), self._starts) - 1.0
        floor = np.maximum(freedom, 0.0) * self._strides * (1.0 / np.maximum(window, 1.0) + 1.0 / self._rows)
        return np.where(window > 0, np.maximum(psi - floor, 0.0), 0.0)

    def of_stream(self, counts: Ints, stream: int) -> tuple[Ints, Floats, Floats]:
        """One stream: the group of each of its cells, counted from 0; rows per group; reference shares per group."""
        first, size = int(self._starts[stream]), int(self._sizes[stream])
        cells = np.flatnonzero((self._groups >= first) & (self._groups < first + size))
        local = self._groups[cells] - first
        grouped: Floats = np.bincount(local, weights=counts[cells], minlength=size).astype(np.float64)
        return local, grouped, self._reference[first : first + size]


def contributions(grouped: Floats, reference: Floats) -> Floats:
    """What each group adds to PSI."""
    added = np.minimum(grouped.sum() * reference, _HALF_A_ROW)
    live = (grouped + added) / (grouped.sum() + added.sum()) if grouped.sum() else reference
    parts: Floats = (live - reference) * np.log(live / reference)
    return parts


def grouping(streams: Sequence[Stream], pairs: Sequence[Pair], rows_of_pairs: int, strides: Ints) -> Grouping:
    """Group the cells of streams, then of pairs, which stay as they are."""
    shares = [stream.shares for stream in streams] + [pair.shares for pair in pairs]
    local = [_groups(stream) for stream in streams] + [np.arange(len(pair.counts)) for pair in pairs]
    sizes = [int(groups.max()) + 1 for groups in local]
    starts: Ints = np.cumsum([0, *sizes])[:-1].astype(np.int64)
    rows = np.array([stream.rows for stream in streams] + [rows_of_pairs] * len(pairs), dtype=np.float64)
    groups: Ints = np.concatenate([np.empty(0, np.int64), *[groups + start for groups, start in zip(local, starts, strict=True)]])
    return Grouping(np.concatenate([np.empty(0), *shares]), groups, starts, rows, strides)


def jensen_shannon(live: Floats, reference: Floats) -> float:
    """Jensen-Shannon distance to the base 2: from 0, the same, to 1, nothing in common."""
    middle = (live + reference) / 2
    return float(np.sqrt(max((_divergence(live, middle) + _divergence(reference, middle)) / 2, 0.0)))


def wasserstein(cells: NumberCells, live: Floats, reference: Floats, sd: float) -> float:
    """Wasserstein distance of two shares over number cells, in standard deviations; what is out of range counts as at its border."""
    return _between(cells, np.abs(_behind(live, reference)), sd)


def mean_shift(cells: NumberCells, live: Floats, reference: Floats, sd: float) -> float:
    """By how much the mean of `live` is larger than that of `reference`, likewise."""
    return _between(cells, _behind(live, reference), sd)


def _behind(live: Floats, reference: Floats) -> Floats:
    """By how much the cumulated shares of `live` are smaller at each border of its cells."""
    present_live, present = live[:-1].sum(), reference[:-1].sum()
    if present_live <= 0:
        return np.zeros(len(live) - 2)
    behind: Floats = (np.cumsum(reference[:-1]) / present - np.cumsum(live[:-1]) / present_live)[:-1]
    return behind


def _between(cells: NumberCells, at_borders: Floats, sd: float) -> float:
    if sd <= 0:
        return 0.0
    borders = np.concatenate([[cells.minimum], cells.edges, [cells.maximum]])
    return float(((at_borders[:-1] + at_borders[1:]) / 2 * np.diff(borders)).sum() / sd)


def _divergence(one: Floats, other: Floats) -> float:
    some = one > 0
    return float((one[some] * np.log2(one[some] / other[some])).sum())


def _groups(stream: Stream) -> Ints:
    """About ten groups: of quantile cells, or the frequent categories and all others; and one for each special cell."""
    if not isinstance(stream.cells, NumberCells):
        own = int(np.count_nonzero(stream.shares[: len(stream.cells.top)][:_GROUPS] >= _OWN_GROUP))
        groups = np.minimum(np.arange(stream.cells.size), own)
        special = stream.cells.size - len(stream.cells.top) - 1
        groups[-special:] = own + 1 + np.arange(special)
        return groups
    inner = stream.shares[1:-2]
    middle = (np.cumsum(inner) - inner / 2) / inner.sum()
    tenths = np.minimum((middle * _GROUPS).astype(np.int64), _GROUPS - 1)
    _, dense = np.unique(tenths, return_inverse=True)
    last = int(dense.max()) + 2
    return np.concatenate([[0], dense + 1, [last, last + 1]])
