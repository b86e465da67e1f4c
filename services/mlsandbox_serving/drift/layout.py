"""Where each stream's cells lie in one long vector of counts, and how rows become such counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsandbox_serving.drift.bets import pair_bets, standard_errors, stream_bets
from mlsandbox_serving.drift.cells import Ints
from mlsandbox_serving.drift.outliers import BITS, REASONS, Reason
from mlsandbox_serving.drift.sequential import Evidence, Wager
from mlsandbox_serving.drift.streams import PAIR_CELLS, Kind, Pair, Stream, pair_cells
from mlsandbox_serving.drift.values import Floats

_BUDGET: Final = {Kind.FEATURES: 0.6, Kind.PREDICTION: 0.2, Kind.PERFORMANCE: 0.1}
_BUDGET_OF_PAIRS: Final = 0.1
_COUNTED: Final = (*(BITS[reason] for reason in (Reason.OUT_OF_RANGE, Reason.UNSEEN, Reason.MISSING)), sum(BITS.values()))
OUTLIER_COUNTS: Final = len(_COUNTED)
"""Extra entries behind all cells: rows with any value out of range, unseen, missing; with any of them."""


@dataclass(frozen=True, eq=False)
class Counted:
    """A batch of rows as counts.

    Args:
        all: of all rows, the outlier counts behind the cells.
        used: of the rows that count as evidence, one extra 0 behind the cells.
    """

    all: Ints
    used: Floats


class Layout:
    """The cells of all streams, then those of all pairs.

    Args:
        streams: what is watched.
        pairs: of them.
        rows: of the reference.
    """

    def __init__(self, streams: Sequence[Stream], pairs: Sequence[Pair], rows: int) -> None:
        self.streams = tuple(streams)
        self.pairs = tuple(pairs)
        self.rows = rows
        sizes = [stream.cells.size for stream in streams] + [PAIR_CELLS] * len(pairs)
        self.starts: Ints = np.cumsum([0, *sizes])[:-1].astype(np.int64)
        self.cells = int(sum(sizes))
        self._pair_starts = self.starts[len(streams) :]
        self._first = np.array([pair.first for pair in pairs], dtype=np.int64)
        self._second = np.array([pair.second for pair in pairs], dtype=np.int64)
        strides = [stream.stride for stream in streams]
        self.strides: Ints = np.array(strides + [max(strides[pair.first], strides[pair.second]) for pair in pairs], dtype=np.int64)
        self._strided = bool((self.strides > 1).any())
        self._groups: Ints = np.full(self.cells + 1, -1, dtype=np.int64)
        self._bits: Ints = np.zeros(self.cells + 1, dtype=np.int64)
        for start, stream in zip(self.starts.tolist(), streams, strict=False):
            self._groups[start : start + stream.cells.size] = stream.groups
            if stream.kind is Kind.FEATURES:
                for role, cell in stream.cells.roles.items():
                    self._bits[start + cell] = BITS[REASONS[role]]

    def evidence(self) -> Evidence:
        """Fresh statistics of all bets, with the budget shared out over what there is."""
        errors = standard_errors(self.rows)
        number = {kind: sum(stream.kind is kind for stream in self.streams) for kind in _BUDGET}
        wagers = []
        for start, stream in zip(self.starts.tolist(), self.streams, strict=False):
            weight = _BUDGET[stream.kind] / number[stream.kind]
            wagers.append(Wager(start, stream.shares, stream_bets(stream), weight, stream.rows, stream.stride, errors))
        strides = self.strides[len(self.streams) :].tolist()
        for start, pair, stride in zip(self._pair_starts.tolist(), self.pairs, strides, strict=True):
            weight = _BUDGET_OF_PAIRS / len(self.pairs)
            wagers.append(Wager(start, pair.shares, pair_bets(pair), weight, self.rows, stride, errors))
        return Evidence(wagers, self.cells)

    def count(self, cells: Ints, row: int) -> Counted:
        """Count a batch.

        Args:
            cells: rows by streams; -1 where a stream has no value to count.
            row: number of the first row, from which follows which ones a stream's stride leaves.
        """
        flat = np.where(cells < 0, self.cells, cells + self.starts[: len(self.streams)])
        everywhere = flat
        if self.pairs:
            groups = self._groups[flat]
            joint = pair_cells(groups[:, self._first], groups[:, self._second])
            everywhere = np.concatenate([flat, np.where(joint < 0, self.cells, joint + self._pair_starts)], axis=1)
        counts = np.bincount(everywhere.ravel(), minlength=self.cells + 1)
        counts[-1] = 0
        evidence = counts
        if self._strided:
            left = (row + np.arange(len(cells)))[:, None] % self.strides == 0
            evidence = np.bincount(everywhere[left], minlength=self.cells + 1)
            evidence[-1] = 0
        return Counted(np.concatenate([counts[:-1], self._outliers(flat)]), evidence.astype(np.float64))

    def _outliers(self, flat: Ints) -> Ints:
        bits = np.bitwise_or.reduce(self._bits[flat], axis=1)
        return np.array([np.count_nonzero(bits & bit) for bit in _COUNTED], dtype=np.int64)
