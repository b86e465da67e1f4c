"""Blocks: an update of a monitor costs as much for one row as for a hundred, so rows of small events wait for each other.

Where a block ends follows from the events and their order alone: neither from how they were delivered nor from when. The one exception is
a block whose rows change an alert and wait for others to come: its end is written into the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from mlsandbox_serving.drift_sidecar.event import Labelled, Rows

BLOCK_ROWS: Final = 100
"""Rows that a block has, or a few more: events stay whole."""
BLOCK_BYTES: Final = 4 * 1024 * 1024
"""Of the events of a block, as the journal has them; large ones make a block of fewer rows."""


class Block(NamedTuple):
    """Rows as a monitor takes them."""

    columns: dict[str, list[Any]] | None
    predictions: list[Any]
    scores: list[Any] | None
    rows: int
    labels: list[Any]
    """That came meanwhile, of these rows or of others."""
    labelled: list[Any]
    """The prediction to each of them."""
    last: int
    """Place of its last event in the journal."""


class Pending:
    """The events of one source that are no whole block yet; all rows of them have the same columns."""

    def __init__(self) -> None:
        self.rows = 0
        """How many rows they have."""
        self._bytes = 0
        self._events: list[Rows] = []
        self._labels: list[Labelled] = []
        self._shape: object = None
        self._last = 0

    def add(self, place: int, event: Rows | Labelled) -> Iterator[Block]:
        """Add an event, and take out what has become whole.

        Args:
            place: of the event in the journal.
            event: rows, or a label.
        """
        if isinstance(event, Rows):
            yield from self._add_rows(place, event)
        else:
            self._labels.append(event)
            self._last = place
            self._bytes += len(event.body)
            if len(self._labels) >= BLOCK_ROWS or self._bytes >= BLOCK_BYTES:
                yield self._take()

    def end(self, place: int) -> Iterator[Block]:
        """Take out what is waiting as if it were whole.

        Args:
            place: of the end in the journal.
        """
        if self._events or self._labels:
            self._last = place
            yield self._take()

    def unfinished(self) -> Block | None:
        """What is waiting, which stays; None when nothing is."""
        return self._block() if self._events or self._labels else None

    def _add_rows(self, place: int, rows: Rows) -> Iterator[Block]:
        shape = (None if rows.columns is None else frozenset(rows.columns), rows.scores is None)
        if self._events and shape != self._shape:
            yield self._take()
        self._shape = shape
        self._events.append(rows)
        self._last = place
        self.rows += rows.length
        self._bytes += len(rows.body)
        if self.rows >= BLOCK_ROWS or self._bytes >= BLOCK_BYTES:
            yield self._take()

    def _take(self) -> Block:
        block = self._block()
        self._events, self._labels, self.rows, self._bytes = [], [], 0, 0
        return block

    def _block(self) -> Block:
        first = self._events[0] if self._events else None
        columns: dict[str, list[Any]] | None = None
        if first is not None and first.columns is not None:
            columns = {name: [] for name in first.columns}
        predictions: list[Any] = []
        scores: list[Any] | None = None if first is None or first.scores is None else []
        for each in self._events:
            count = each.length
            for name, values in (columns or {}).items():
                _extend(values, (each.columns or {})[name], count)
            _extend(predictions, each.predictions, count)
            if scores is not None:
                _extend(scores, each.scores or [], count)
        labels = [each.label for each in self._labels]
        return Block(columns, predictions, scores, self.rows, labels, [each.prediction for each in self._labels], self._last)


def _extend(values: list[Any], more: list[Any], count: int) -> None:
    values.extend(more[:count])
    values.extend([None] * (count - len(more)))
