"""Whole rows as points, for detectors that look at all columns at once: nothing in them is missing, and everything has one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift.cells import Ints, NumberCells
from mlsandbox_serving.drift.streams import Stream
from mlsandbox_serving.drift.values import Floats

_FARTHEST: Final = 1e6
"""Standard deviations at which a number ends, so that its square is still one."""


class Embedding:
    """Learns scale and middle of each feature from the reference; predictions are no part of a point.

    Args:
        streams: the columns of a table.
        table: the rows of the reference.
    """

    def __init__(self, streams: Sequence[Stream], table: Floats) -> None:
        features = [position for position, stream in enumerate(streams) if stream.kind is Kind.FEATURES]
        numeric = [position for position in features if isinstance(streams[position].cells, NumberCells)]
        self._features: Ints = np.array(features, dtype=np.int64)
        self._numeric: Ints = np.array(numeric, dtype=np.int64)
        self._categories = [(position, streams[position].cells.size - 1) for position in features if position not in numeric]
        self._middle = np.array([_middle(table[:, position]) for position in range(table.shape[1])])
        self._deviation = np.array([_deviation(table[:, position]) for position in range(table.shape[1])])
        self._always: Ints = self._features[~np.isnan(table[:, self._features]).any(axis=0)]

    def known(self, table: Floats) -> Floats:
        """The rows of which all features are known, be it that they are missing; only these have a point."""
        found: Floats = table[~np.isinf(table[:, self._features]).any(axis=1)]
        return found

    def numbers(self, table: Floats) -> Floats:
        """Columns of numbers, as standard deviations from the median; a missing one is there."""
        values = table[:, self._numeric]
        scaled = (values - self._middle[self._numeric]) / self._deviation[self._numeric]
        return np.clip(np.where(np.isnan(scaled), 0.0, scaled), -_FARTHEST, _FARTHEST)

    def bits(self, table: Floats) -> Floats:
        """One column for each category of each column, and one that tells of each whether a value is missing."""
        ones = [table[:, position] == cell for position, cells in self._categories for cell in range(cells)]
        return np.column_stack([*ones, np.isnan(table[:, self._features])]).astype(np.float64)

    def points(self, table: Floats) -> Floats:
        """Both, side by side."""
        return np.hstack([self.numbers(table), self.bits(table)])

    def codes(self, table: Floats) -> Floats:
        """Categories by their number; a missing one is the number after the last."""
        held = [np.where(np.isnan(table[:, position]), cells, table[:, position]) for position, cells in self._categories]
        found: Floats = np.column_stack(held) if held else np.empty((len(table), 0))
        return found

    def ordinary(self, table: Floats) -> Floats:
        """Features as they are, where a missing value is the most ordinary one."""
        values = table[:, self._features]
        return np.where(np.isnan(values), self._middle[self._features], values)

    def is_incomplete(self, table: Floats) -> NDArray[np.bool_]:
        """The rows without a value where the reference always has one."""
        found: NDArray[np.bool_] = np.isnan(table[:, self._always]).sum(axis=1) > 0
        return found


def _middle(values: Floats) -> float:
    present = values[~np.isnan(values)]
    return float(np.median(present)) if len(present) else 0.0


def _deviation(values: Floats) -> float:
    present = values[~np.isnan(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        found = float(present.std()) if len(present) else 0.0
    return found if np.isfinite(found) and found > 0 else 1.0
