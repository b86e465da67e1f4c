"""Blocks: an update of a monitor costs as much for one row as for a hundred, so rows of small events wait for each other.

Where a block ends follows from the events and their order alone: neither from how they were delivered nor from when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from mlsandbox_serving.drift_sidecar.event import Rows

BLOCK_ROWS: Final = 100
"""Rows that a block has, or a few more: events stay whole."""


class Block(NamedTuple):
    """Rows as a monitor takes them."""

    columns: dict[str, list[Any]] | None
    predictions: list[Any]
    scores: list[Any] | None
    rows: int
    last: int
    """Place of its last event in the journal."""


class Pending:
    """The events of one source that are no whole block yet; all of them have the same columns."""

    def __init__(self) -> None:
        self.rows = 0
        """How many rows they have."""
        self._events: list[tuple[int, Rows]] = []
        self._shape: object = None

    def add(self, place: int, rows: Rows) -> Iterator[Block]:
        """Add an event, and take out what has become whole.

        Args:
            place: of the event in the journal.
            rows: of the event.
        """
        shape = (None if rows.columns is None else frozenset(rows.columns), rows.scores is None)
        if self._events and shape != self._shape:
            yield self._take()
        self._shape = shape
        self._events.append((place, rows))
        self.rows += rows.length
        if self.rows >= BLOCK_ROWS:
            yield self._take()

    def unfinished(self) -> Block | None:
        """What is waiting, which stays; None when nothing is."""
        return _joined(self._events, self.rows) if self._events else None

    def _take(self) -> Block:
        block = _joined(self._events, self.rows)
        self._events, self.rows = [], 0
        return block


def _joined(events: list[tuple[int, Rows]], rows: int) -> Block:
    first = events[0][1]
    columns: dict[str, list[Any]] | None = None if first.columns is None else {name: [] for name in first.columns}
    predictions: list[Any] = []
    scores: list[Any] | None = None if first.scores is None else []
    for _, each in events:
        count = each.length
        if columns is not None and each.columns is not None:
            for name, values in columns.items():
                _extend(values, each.columns[name], count)
        _extend(predictions, each.predictions, count)
        if scores is not None and each.scores is not None:
            _extend(scores, each.scores, count)
    return Block(columns, predictions, scores, rows, events[-1][0])


def _extend(values: list[Any], more: list[Any], count: int) -> None:
    values.extend(more[:count])
    values.extend([None] * (count - len(more)))
