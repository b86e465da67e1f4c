"""Which rows stand apart from the reference, and why: pure functions from the cells of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.drift.cells import Ints, Role
from mlsandbox_serving.drift.streams import Kind, Stream
from mlsandbox_serving.drift.values import Values, padded, sequence

Bits = NDArray[np.uint8]


class Reason(StrEnum):
    """Why a value is one that the model was not trained for."""

    OUT_OF_RANGE = "out of range"
    UNSEEN = "unseen"
    MISSING = "missing"


REASONS: Final[dict[Role, Reason]] = {
    "below": Reason.OUT_OF_RANGE,
    "above": Reason.OUT_OF_RANGE,
    "unseen": Reason.UNSEEN,
    "missing": Reason.MISSING,
}
BITS: Final = {Reason.OUT_OF_RANGE: 1, Reason.UNSEEN: 2, Reason.MISSING: 4}
_ORDINARY: Final = 0.01
"""Share of the reference from which a cell is nothing that a model was not trained for: values that are often missing."""

Outlying = dict[int, dict[str, Reason]]
"""Rows by their index, with the columns that make them stand apart."""


def odd_cells(stream: Stream) -> Bits:
    """For each cell of a stream the bit of its reason, 0 when its values are ordinary; one more 0 at the end, for no value to look at."""
    bits: Bits = np.zeros(stream.cells.size + 1, dtype=np.uint8)
    for role, cell in stream.cells.roles.items():
        if stream.counts[cell] < _ORDINARY * stream.rows:
            bits[cell] = BITS[REASONS[role]]
    return bits


def mask(cells: Ints, odd: Sequence[Bits]) -> Bits:
    """Rows by columns: the bit of the reason for which a value stands apart, 0 when it does not.

    Args:
        cells: rows by columns; -1 where there is no value to look at.
        odd: of each column, as `odd_cells` gives them.
    """
    found: Bits = np.zeros(cells.shape, dtype=np.uint8)
    for column, bits in enumerate(odd):
        found[:, column] = bits[cells[:, column]]
    return found


class OutlierMask:
    """Looks at rows against the input columns of a reference; columns that it does not watch, such as identifiers, are left alone.

    Args:
        streams: of the reference's profile.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = [stream for stream in streams if stream.kind is Kind.FEATURES]
        self._odd = [odd_cells(stream) for stream in self._streams]

    def outlying(self, columns: Mapping[str, object]) -> Outlying:
        """The rows that stand apart.

        Args:
            columns: name to values, one per row; a column that is not there is missing in all rows.
        """
        held: dict[str, Values] = {name: given for name, values in columns.items() if (given := sequence(values)) is not None}
        rows = max(map(len, held.values()), default=0)
        if not rows or not self._streams:
            return {}
        cells = np.stack([stream.cells.read(padded(held.get(stream.name), rows)) for stream in self._streams], axis=1)
        found = mask(cells, self._odd)
        reasons = {bit: reason for reason, bit in BITS.items()}
        outlying: Outlying = {}
        for row, column in zip(*(places.tolist() for places in np.nonzero(found)), strict=True):
            outlying.setdefault(row, {})[self._streams[column].name] = reasons[int(found[row, column])]
        return outlying
