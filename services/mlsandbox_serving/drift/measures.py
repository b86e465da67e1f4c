"""Size of the changes of all streams at one moment, from the counts of the recent rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.cells import Ints
from mlsandbox_serving.drift.layout import Layout
from mlsandbox_serving.drift.severity import Grouping, Severity, grouping, of_excess, of_psi
from mlsandbox_serving.drift.streams import Kind
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift.window import FEWEST_ROWS


class Sizes(NamedTuple):
    """Of all streams, then of all pairs."""

    psi: Floats
    """Less its noise floor."""
    excess: Floats
    """Of the worst rate; 0 for pairs."""
    rows: Ints
    """Rows that were compared."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which of them have rows enough for their size to say anything."""
        return self.rows >= FEWEST_ROWS


class Measures:
    """Computes severities; holds nothing but what follows from the profile."""

    def __init__(self, layout: Layout) -> None:
        streams = layout.streams
        self._layout = layout
        self.grouping: Grouping = grouping(streams, layout.pairs, layout.rows, layout.strides)
        self._stream_of_cell = np.repeat(np.arange(len(streams)), [stream.cells.size for stream in streams])
        roles = [(position, stream.cells.roles) for position, stream in enumerate(streams)]
        self._role_streams = np.array([position for position, cells in roles for _ in cells], dtype=np.int64)
        starts = layout.starts
        self._role_cells = np.array([starts[position] + cell for position, cells in roles for cell in cells.values()], dtype=np.int64)
        self._role_shares = np.array([streams[position].shares[cell] for position, cells in roles for cell in cells.values()])
        all_kinds = [stream.kind for stream in streams] + [Kind.FEATURES] * len(layout.pairs)
        self.members = {kind: np.array([one is kind for one in all_kinds], dtype=bool) for kind in Kind}
        self.members[Kind.OUTLIERS] = np.array([one is Kind.FEATURES for one in all_kinds[: len(streams)]] + [False] * len(layout.pairs))

    def sizes(self, counts: Ints) -> Sizes:
        """All that severity follows from."""
        rows: Ints = np.add.reduceat(counts, self._layout.starts) if len(self._layout.starts) else np.empty(0, np.int64)
        return Sizes(self.psi(counts), self.excess(counts), rows)

    def psi(self, counts: Ints) -> Floats:
        """PSI less its noise floor, of all streams and pairs."""
        return self.grouping.psi(counts)

    def excess(self, counts: Ints) -> Floats:
        """By how much the worst rate of each stream exceeds the reference's, less one standard error; 0 for pairs."""
        rows = np.bincount(self._stream_of_cell, weights=counts[: len(self._stream_of_cell)])
        rows_of_role = np.maximum(rows[self._role_streams], 1.0)
        independent = rows_of_role / self._layout.strides[self._role_streams]
        rates = counts[self._role_cells] / rows_of_role
        over = rates - self._role_shares - np.sqrt(rates * (1.0 - rates) / independent)
        worst = np.zeros(len(rows) + len(self._layout.pairs))
        np.maximum.at(worst, self._role_streams, over)
        return worst

    def severity(self, kind: Kind, sizes: Sizes, only: NDArray[np.bool_]) -> Severity | None:
        """Severity of the worst of some streams of a kind; None when none of them has enough rows."""
        members = self.members[kind] & only & sizes.known
        return severity_of(kind, float(sizes.psi[members].max()), float(sizes.excess[members].max())) if members.any() else None


def severity_of(kind: Kind, psi: float, excess: float) -> Severity:
    """Severity of one stream: of inputs that of their distribution, of outliers that of their rates, of all others the worse one."""
    by_psi = Severity.NONE if kind is Kind.OUTLIERS else of_psi(psi)
    by_excess = Severity.NONE if kind is Kind.FEATURES else of_excess(excess)
    return max(by_psi, by_excess)
