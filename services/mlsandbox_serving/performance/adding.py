"""Adds predictions and labels to the tables, each event once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from mlsandbox_serving.performance.reading import Label, Predictions, Value

_SOURCE: Final = """
INSERT INTO sources (model, version, kind, classes) VALUES (?, ?, ?, ?)
ON CONFLICT (model, version) DO UPDATE SET kind = excluded.kind, classes = COALESCE(excluded.classes, classes)
"""
_LABEL: Final = """
INSERT INTO labels (request, row, model, label, time, sequence, event) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (request, row, model) DO UPDATE
SET label = excluded.label, time = excluded.time, sequence = excluded.sequence, event = excluded.event
WHERE (excluded.time, excluded.sequence, excluded.event) > (labels.time, labels.sequence, labels.event)
"""
# An event that was let go of in `seen` came before all that are there.
_PREDICTED: Final = """
SELECT sources.version, rows.prediction FROM requests
JOIN sources ON sources.id = requests.source JOIN rows ON rows.request = requests.id
WHERE requests.request = ? AND sources.model = ? AND rows.row = ?
AND COALESCE((SELECT number FROM seen WHERE event = requests.event), 0) < (SELECT number FROM seen WHERE event = ?)
ORDER BY sources.id
"""
_LABELLED: Final = """
SELECT row, label FROM labels WHERE request = ? AND model = ?
AND COALESCE((SELECT number FROM seen WHERE event = labels.event), 0) < (SELECT number FROM seen WHERE event = ?) ORDER BY row
"""


class Match(NamedTuple):
    """The first label of a predicted row, told at whichever of the two came later."""

    model: str
    version: str
    """That predicted."""
    request: str
    row: int
    prediction: Value
    label: Value


class Added(NamedTuple):
    """What became of a batch of events."""

    predictions: int = 0
    """Predicted rows that are new."""
    labels: int = 0
    """Labels that are new, whether they are the first of their row or not."""
    repeated: int = 0
    """Those of them whose row had the same label already."""
    corrected: int = 0
    """Those of them whose row had another label; of all labels of a row the last by event time holds."""
    redelivered: int = 0
    """Events that were there already."""
    ignored: int = 0
    """Events of no use here: errors, predictions that are not one value per row, what is malformed."""


class Batch:
    """Adds events within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sources: dict[tuple[str, str], int] = {}
        self._counts: Counter[str] = Counter()
        self.matches: Final[list[list[Match]]] = []
        """Those of each event that was added. One that is redelivered has its own again, since whoever was told may not have kept them."""

    def add(self, read: Iterable[Predictions | Label | None]) -> Added:
        """Add what was read of events, None for those of no use."""
        for one in read:
            is_first = True
            if one is None:
                self._counts["ignored"] += 1
            elif not self._connection.execute("INSERT OR IGNORE INTO seen (event) VALUES (?)", (one.event,)).rowcount:
                self._counts["redelivered"] += 1
            elif isinstance(one, Label):
                is_first = self._label(one)
            else:
                self._predictions(one)
            self.matches.append([] if one is None or not is_first else self._matches(one))
        return Added(**self._counts)

    def _matches(self, one: Predictions | Label) -> list[Match]:
        if isinstance(one, Label):
            # A challenger has a prediction of its own for the same request.
            found = self._connection.execute(_PREDICTED, (one.request, one.model, one.row, one.event))
            known = [(version, one.row, prediction, one.value) for version, prediction in found]
        else:
            rows = self._connection.execute(_LABELLED, (one.request, one.model, one.event))
            known = [(one.version, row, one.values[row], label) for row, label in rows if 0 <= row < len(one.values)]
        return [Match(one.model, version, one.request, row, value, label) for version, row, value, label in known if value is not None]

    def _predictions(self, one: Predictions) -> None:
        self._counts["predictions"] += len(one.values)
        key = (one.request, self._source(one))
        known = self._connection.execute("SELECT id, time, event FROM requests WHERE request = ? AND source = ?", key).fetchone()
        if known is None:
            request = self._connection.execute(
                "INSERT INTO requests (request, source, time, event, rows) VALUES (?, ?, ?, ?, ?)",
                (*key, one.time, one.event, len(one.values)),
            ).lastrowid
        elif (known[1], known[2]) > (one.time, one.event):
            return  # a client used a request id twice: its last answer counts
        else:
            request = known[0]
            self._connection.execute("DELETE FROM rows WHERE request = ?", (request,))
            self._connection.execute(
                "UPDATE requests SET time = ?, event = ?, rows = ? WHERE id = ?", (one.time, one.event, len(one.values), request)
            )
        scores: Sequence[bytes | None] = one.scores or [None] * len(one.values)
        self._connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?)",
            [(request, row, value, score) for row, (value, score) in enumerate(zip(one.values, scores, strict=True))],
        )

    def _label(self, one: Label) -> bool:
        """Whether it is the first of its row."""
        self._counts["labels"] += 1
        key = (one.request, one.row, one.model)
        known = self._connection.execute("SELECT label FROM labels WHERE request = ? AND row = ? AND model = ?", key).fetchone()
        if known is not None:
            self._counts["repeated" if known[0] == one.value else "corrected"] += 1
        self._connection.execute(_LABEL, (*key, one.value, one.time, one.sequence, one.event))
        return known is None

    def _source(self, one: Predictions) -> int:
        key = (one.model, one.version)
        if key not in self._sources:
            self._connection.execute(_SOURCE, (*key, one.kind, one.classes))
            found = self._connection.execute("SELECT id FROM sources WHERE model = ? AND version = ?", key).fetchone()
            self._sources[key] = found[0]
        return self._sources[key]
