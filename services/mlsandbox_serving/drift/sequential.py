"""Evidence: Shiryaev-Roberts statistics of all bets, whose weighted sum grows by at most one per row for as long as nothing changes.

After n rows under the reference its expectation is at most n. An alarm when it reaches a threshold therefore comes, on average, not
before as many rows, whatever the dependence between columns; no simulation is needed to know that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.bets import Bet, discount
from mlsandbox_serving.drift.cells import Ints
from mlsandbox_serving.drift.streams import Kind
from mlsandbox_serving.drift.values import Floats

KINDS: Final = tuple(Kind)
_MOST: Final = 1e250
_LARGEST_EXPONENT: Final = 600.0


@dataclass(frozen=True, eq=False)
class Wager:
    """What is bet on one stream.

    Args:
        start: position of its first cell among all cells.
        shares: of the reference.
        bets: may be empty.
        weight: its part of the budget.
        rows: of the reference.
        stride: rows from one to the next that are as good as independent.
        errors: standard errors that are discounted.
    """

    start: int
    shares: Floats
    bets: Sequence[Bet]
    weight: float
    rows: int
    stride: int
    errors: int


class Evidence:
    """The running statistics. Streams with alike numbers of cells are computed together, padded to the same size.

    Args:
        wagers: one per stream.
        cells: number of all cells; wagers refer to them by position.
    """

    def __init__(self, wagers: Sequence[Wager], cells: int) -> None:
        by_size: dict[int, list[int]] = {}
        for position, wager in enumerate(wagers):
            if wager.bets:
                by_size.setdefault(-(-len(wager.shares) // 16), []).append(position)
        total = sum(wager.weight for wager in wagers if wager.bets)
        self._streams = len(wagers)
        self._banks = [_Bank([wagers[position] for position in chosen], chosen, cells, total) for _, chosen in sorted(by_size.items())]

    def update(self, counts: Floats) -> None:
        """Add a batch.

        Args:
            counts: rows per cell that the strides leave, of all streams; a last extra entry is 0. A stream without rows stays as it is.
        """
        for bank in self._banks:
            bank.update(counts)

    @property
    def total(self) -> float:
        """The statistic that is compared with the budget."""
        return float(sum(bank.total for bank in self._banks))

    def by_stream(self) -> Floats:
        """The parts of it: one row per stream, one column per kind, in the order of KINDS."""
        parts = np.zeros((self._streams, len(KINDS)))
        for bank in self._banks:
            bank.add_parts(parts)
        return parts

    def restart(self, which: NDArray[np.bool_]) -> None:
        """Begin anew, as after an alarm.

        Args:
            which: streams by kinds, in the order of KINDS.
        """
        for bank in self._banks:
            bank.restart(which)

    @property
    def values(self) -> list[Floats]:
        """The statistics themselves, which are all that there is to keep."""
        return [bank.values for bank in self._banks]

    @values.setter
    def values(self, values: Sequence[Floats]) -> None:
        for bank, kept in zip(self._banks, values, strict=True):
            bank.restore(kept)


class _Bank:
    """Streams that are padded to one size: arrays of streams by cells by bets."""

    def __init__(self, wagers: Sequence[Wager], positions: Sequence[int], cells: int, total_weight: float) -> None:
        size = max(len(wager.shares) for wager in wagers)
        most = max(len(wager.bets) for wager in wagers)
        self._positions = np.array(positions)
        self._cells: Ints = np.full((len(wagers), size), cells)  # padding points at the entry that is always 0
        self._logs = np.zeros((len(wagers), size, most))
        self._weights = np.zeros((len(wagers), most))
        self._kinds = np.zeros((len(wagers), most), dtype=np.int64)
        self._strides = np.array([[float(wager.stride)] for wager in wagers])
        for row, wager in enumerate(wagers):
            self._cells[row, : len(wager.shares)] = wager.start + np.arange(len(wager.shares))
            for column, bet in enumerate(wager.bets):
                divisor = discount(bet, wager.shares, wager.rows / wager.stride, wager.errors)
                self._logs[row, : len(wager.shares), column] = np.log(bet.table / divisor)
                self._weights[row, column] = wager.weight / total_weight / len(wager.bets)
                self._kinds[row, column] = KINDS.index(bet.kind)
        self.values = np.zeros((len(wagers), most))

    def restore(self, values: Floats) -> None:
        if values.shape != self.values.shape:
            raise ValueError(f"statistics of shape {values.shape}, not {self.values.shape}")
        self.values = values.astype(np.float64)

    def restart(self, which: NDArray[np.bool_]) -> None:
        self.values[which[self._positions[:, None], self._kinds]] = 0.0

    def update(self, counts: Floats) -> None:
        here = counts[self._cells]
        gains = np.matmul(here[:, None, :], self._logs)[:, 0, :]
        new_rows = self._strides * here.sum(axis=1, keepdims=True)
        np.clip(gains, -_LARGEST_EXPONENT, _LARGEST_EXPONENT, out=gains)
        with np.errstate(over="ignore"):
            self.values = np.minimum((self.values + new_rows) * np.exp(gains), _MOST)

    @property
    def total(self) -> float:
        return float((self._weights * self.values).sum())

    def add_parts(self, parts: Floats) -> None:
        weighted = self._weights * self.values
        for index in range(len(KINDS)):
            parts[self._positions, index] += np.where(self._kinds == index, weighted, 0.0).sum(axis=1)
