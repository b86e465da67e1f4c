"""Single columns, made ready for a test of each: what alibi-detect would do wrong on its own is done here.

One missing value makes the p-value of a column of numbers no number, and alibi-detect then says that nothing has drifted. So values are
compared without the missing ones, and whether they are missing is compared as one more column. A chi-squared test of categories that
hardly occur alarms for no reason, so these share a code with those that were never seen; and of what n rows do not show, the next row
shows some with a probability of about 1/(n+1), so that the reference has one row more with that code. Rows that depend on the ones
before them make every test too certain, so only those are compared that are as far apart as the profile found to be enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift.cells import CategoryCells, Ints, NumberCells
from mlsandbox_serving.drift.streams import Stream
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.verdict import Method

_EXPECTED: Final = 5.0
"""Rows of a window that a category must have on average, for a chi-squared test to hold."""
_PRESENT, _MISSING = 0, 1


@dataclass(frozen=True, eq=False)
class Column:
    """One test.

    Args:
        name: of the stream.
        kind: what a change of it is about.
        method: of the test.
        position: of the stream in a table.
        stride: from one row that is compared to the next.
        codes: of each cell of a column of categories; None for others.
        reference: its values, ready for the test.
    """

    name: str
    kind: Kind
    method: Method
    position: int
    stride: int
    codes: Ints | None
    reference: Floats

    def read(self, table: Floats) -> Floats:
        """Its values in a table, ready for the test: without those that are not known, and the missing ones where they are no value."""
        return _ready(table[:: self.stride, self.position], self.method, self.codes)


def columns_to_test(streams: Sequence[Stream], table: Floats, window_rows: int) -> tuple[Column, ...]:
    """All tests of a reference, in the order of its columns.

    Args:
        streams: its columns.
        table: its rows.
        window_rows: of a window, which decide on the categories that are too rare for a test.
    """
    found: list[Column] = []
    for position, stream in enumerate(streams):
        stride = stream.stride
        values = table[:: _stride_in(table, stream), position]
        numeric = isinstance(stream.cells, NumberCells)
        method = Method.NUMBERS if numeric else Method.CATEGORIES
        codes = _codes(stream.cells, values, window_rows / stride) if isinstance(stream.cells, CategoryCells) else None
        reference = _ready(values, method, codes)
        if len(reference):
            more = reference if codes is None else np.append(reference, codes[stream.cells.roles["unseen"]])
            found.append(Column(stream.name, stream.kind, method, position, stride, codes, more))
        missing = np.append(_ready(values, Method.MISSING, None), _MISSING)
        kind = Kind.OUTLIERS if stream.kind is Kind.FEATURES else stream.kind
        found.append(Column(stream.name, kind, Method.MISSING, position, stride, None, missing))
    return tuple(found)


def _stride_in(table: Floats, stream: Stream) -> int:
    """The stride in a sample, whose rows are farther apart than those that it was drawn from."""
    return max(round(stream.stride * len(table) / max(stream.rows, 1)), 1) if len(table) < stream.rows else stream.stride


def _codes(cells: CategoryCells, values: Floats, window_rows: float) -> Ints:
    """A code for each category that is frequent enough, and the one of unseen values for all others."""
    present = values[np.isfinite(values)].astype(np.int64)
    expected = np.bincount(present, minlength=cells.size) * window_rows / max(len(present), 1)
    rest, unseen = len(cells.top), cells.roles["unseen"]
    codes: Ints = np.where(expected >= _EXPECTED, np.arange(cells.size), unseen).astype(np.int64)
    codes[rest] = unseen
    return codes


def _ready(values: Floats, method: Method, codes: Ints | None) -> Floats:
    values = values[~np.isinf(values)]
    missing = np.isnan(values)
    if method is Method.MISSING:
        return np.where(missing, float(_MISSING), float(_PRESENT))
    present = values[~missing]
    return present if codes is None else codes[present.astype(np.int64)].astype(np.float64)
