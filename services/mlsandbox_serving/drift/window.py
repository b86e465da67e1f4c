"""Counts of the last rows, in a ring of blocks: what severity and histograms are computed on, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.cells import Ints

BLOCK_ROWS: Final = 100
BLOCKS: Final = 20
WINDOW_ROWS: Final = BLOCK_ROWS * BLOCKS
FEWEST_ROWS: Final = 200
"""Rows from which the size of a change is known at all, and those since an alarm alone are compared; before, the last 2,000 are."""


class Window:
    """The last blocks of one clock: requests have one, feedback another.

    Args:
        cells: number of all cells.
    """

    def __init__(self, cells: int) -> None:
        self._counts = np.zeros((BLOCKS, cells), dtype=np.int32)
        self._rows = np.zeros(BLOCKS, dtype=np.int64)
        self._age = 0
        """Blocks filled since the last mark, up to BLOCKS."""
        self._current = 0

    @property
    def room(self) -> int:
        """Rows that the current block still takes."""
        return BLOCK_ROWS - int(self._rows[self._current])

    def add(self, counts: Ints, rows: int) -> bool:
        """Add rows to the current block; whether that has filled it."""
        self._counts[self._current] += counts.astype(np.int32)
        self._rows[self._current] += rows
        if self.room > 0:
            return False
        self._advance()
        return True

    def mark(self) -> None:
        """Remember that from here on rows are to be compared alone."""
        if self._rows[self._current]:
            self._advance()
        self._age = 0

    @property
    def alone(self) -> bool:
        """Whether there are enough rows since the mark to compare them without those before it."""
        return int(self._rows[self._since()].sum()) >= FEWEST_ROWS

    def recent(self) -> tuple[Ints, int]:
        """Counts since the mark when there are enough rows, else of the whole window; and how many rows these are."""
        slots = self._since() if self.alone else slice(None)
        counts: Ints = self._counts[slots].sum(axis=0, dtype=np.int64)
        return counts, int(self._rows[slots].sum())

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it holds."""
        return {"counts": self._counts, "rows": self._rows, "position": np.array([self._age, self._current])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` gave."""
        if state["counts"].shape != self._counts.shape:
            raise ValueError(f"a window of shape {state['counts'].shape}, not {self._counts.shape}")
        self._counts = state["counts"].astype(np.int32)
        self._rows = state["rows"].astype(np.int64)
        self._age, self._current = (int(number) for number in state["position"])

    def _since(self) -> Ints:
        blocks: Ints = (self._current - np.arange(min(self._age + 1, BLOCKS))) % BLOCKS
        return blocks

    def _advance(self) -> None:
        self._age = min(self._age + 1, BLOCKS)
        self._current = (self._current + 1) % BLOCKS
        self._counts[self._current] = 0
        self._rows[self._current] = 0
