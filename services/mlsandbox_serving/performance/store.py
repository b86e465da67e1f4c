"""Predictions and labels, joined in whichever order they come, and how well each version predicts.

Used from one thread at a time. An event counts once however often it is delivered, and what was added survives the death of the
process and a power cut.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.performance.adding import Added, Batch, Match
from mlsandbox_serving.performance.database import KEPT, LABELS, MATCHED, REVISION, database
from mlsandbox_serving.performance.joined import SECONDS, Joined, Window
from mlsandbox_serving.performance.reading import Label, Predictions, read_event

_NANOSECONDS: Final = 10**9
_SEEN: Final = 2
"""Times the bound of predictions: so many events are remembered."""
_PARTS: Final = 8
"""Of what is kept, so many parts; one of them goes at a time when the file is too large."""
_EVICTED: Final = 500
"""Requests that are looked at in one go when there are too many."""
_DROPPED: Final = "dropped"
_MOST_BYTES: Final = 1024**3
_MOST_CELLS: Final = 2_000_000
"""Probabilities of a version that are compared with labels, those of the newest rows: 16 MB."""
_JOINED_BYTES: Final = 32 * 1024 * 1024
"""Of labelled rows that are kept in memory from one summary to the next; what is more is read anew."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What was added since the store was begun, and what is kept now."""

    added: Added
    dropped: int
    """Labels without a prediction that were dropped because there were too many."""
    kept: int
    """Predicted rows that are kept."""
    labels: int
    """Labels that are kept."""
    unmatched: int
    """Those of them whose prediction is not, or not yet, here."""


@dataclass(frozen=True, slots=True)
class Performance:
    """How well one version of a model predicted in one window."""

    model: str
    version: str
    window: Window
    """Of the time of the prediction, not of the label."""
    predictions: int
    """Predicted rows."""
    labels: int
    """Those of them that have a label."""
    unusable: int
    """Those of the labels that cannot be compared with the prediction: a text and a number, or a prediction that is missing."""
    metrics: Mapping[str, float]
    """By the names in `metrics`; what is not defined for these labels is not there."""

    @property
    def coverage(self) -> float | None:
        """The part of the predictions that has a label; None without predictions."""
        return self.labels / self.predictions if self.predictions else None


class PerformanceStore:
    """Predictions and labels in a folder.

    Args:
        folder: made (mode 0700) when it is absent.
        max_predictions: predicted rows that are kept, over all models; past it the oldest requests go with their labels. As many labels
            are kept; past it the oldest without a prediction go.
        max_age: seconds after which predictions and labels go.
        max_bytes: of the file, about; past it the oldest labels without a prediction go, and then the oldest requests.
        clock: epoch seconds now.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_predictions: int,
        max_age: float,
        max_bytes: int = _MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database(folder)
        self._max_predictions = max_predictions
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._clock = clock
        self._joined: dict[int, tuple[object, Joined]] = {}
        self._database.opened()

    @property
    def moved_aside(self) -> int:
        """Databases found damaged and begun anew so far."""
        return self._database.moved_aside

    def add(self, events: Iterable[tuple[int, Mapping[str, Any]]]) -> Added:
        """Add events; when this returns they are on disk.

        Args:
            events: epoch nanoseconds and fields of each, as `forward.messages.Event` has them.

        Raises:
            sqlite3.Error, OSError: nothing was added.
        """
        return self._read_and_added(events)[0]

    def join(self, events: Iterable[tuple[int, Mapping[str, Any]]]) -> list[list[Match]]:
        """Add events as `add` does; for each of them, the labels and predictions that it brought together.

        Raises:
            sqlite3.Error, OSError: nothing was added.
        """
        return self._read_and_added(events)[1]

    def summary(self, now: float) -> tuple[Performance, ...]:
        """Every version that has predictions, by model and version, in each window.

        Args:
            now: epoch seconds.

        Raises:
            sqlite3.Error, OSError: the database cannot be read.
        """
        return self._database.recovered(lambda: tuple(self._summary(int(now * _NANOSECONDS))))

    def totals(self) -> Totals:
        """Counts over the store's life, and of what is kept.

        Raises:
            sqlite3.Error, OSError: the database cannot be read.
        """
        return self._database.recovered(self._totals)

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self._database.close()

    def _read_and_added(self, events: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[Added, list[list[Match]]]:
        read = [read_event(when, record) for when, record in events]
        return self._database.recovered(lambda: self._add(read))

    def _add(self, read: list[Predictions | Label | None]) -> tuple[Added, list[list[Match]]]:
        with self._database.transaction() as connection:
            batch = Batch(connection)
            counts = batch.add(read)
            dropped = self._bound(connection)
            connection.executemany(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                [(f"added.{name}", count) for name, count in counts._asdict().items()] + [(_DROPPED, dropped)],
            )
        return counts, batch.matches

    def _bound(self, connection: sqlite3.Connection) -> int:
        """Let go what is too old or too much; how many labels went for being too many."""
        oldest = int((self._clock() - self._max_age) * _NANOSECONDS)
        gone = connection.execute("DELETE FROM requests WHERE time < ?", (oldest,)).rowcount
        connection.execute("DELETE FROM labels WHERE time < ?", (oldest,))
        while (excess := _counter(connection, KEPT) - self._max_predictions) > 0 and (evicted := _evict(connection, excess)):
            gone += evicted
        excess = _counter(connection, LABELS) - self._max_predictions
        dropped = _drop(connection, excess + self._max_predictions // 100) if excess > 0 else 0
        connection.execute("DELETE FROM seen WHERE number <= (SELECT MAX(number) FROM seen) - ?", (max(_SEEN * self._max_predictions, 1),))
        while _bytes(connection) > self._max_bytes:
            without = _drop(connection, _counter(connection, LABELS) // _PARTS + 1)
            evicted = 0 if without else _evict(connection, _counter(connection, KEPT) // _PARTS + 1)
            gone, dropped = gone + evicted, dropped + without
            if not evicted and not without:
                break
        if gone:
            connection.execute("DELETE FROM sources WHERE NOT EXISTS (SELECT 1 FROM requests WHERE source = sources.id)")
        return dropped

    def _summary(self, now: int) -> Iterable[Performance]:
        connection = self._database.opened()
        cutoff = now - int(self._max_age * _NANOSECONDS)
        starts = {window: max(now - SECONDS[window] * _NANOSECONDS if window in SECONDS else cutoff, cutoff) for window in Window}
        sources = connection.execute("SELECT id, model, version, kind, classes FROM sources ORDER BY model, version").fetchall()
        self._joined = {source: self._joined[source] for source, *_ in sources if source in self._joined}
        for source, model, version, kind, classes in sources:
            joined = self._join(connection, source, model, kind, classes)
            for window, start in starts.items():
                (predictions,) = connection.execute(
                    "SELECT TOTAL(rows) FROM requests WHERE source = ? AND time >= ?", (source, start)
                ).fetchone()
                labels, unusable = joined.count(start), joined.unusable(start)
                yield Performance(model, version, window, int(predictions), labels, unusable, joined.scores(start))
            if sum(each.size for _, each in self._joined.values()) > _JOINED_BYTES:
                del self._joined[source]

    def _join(self, connection: sqlite3.Connection, source: int, model: str, kind: str, classes: str | None) -> Joined:
        """Labelled rows of a version, read anew only when some have changed."""
        state = (self._database.openings, _counter(connection, REVISION), kind, classes)
        if source not in self._joined or self._joined[source][0] != state:
            names = json.loads(classes) if classes else []
            most, newest = _MOST_CELLS // max(len(names), 1), None
            if _counter(connection, LABELS) > most:
                newest = connection.execute(_NEWEST, (source, model, most)).fetchone()
            rows = connection.execute(_JOIN, (newest[0] if newest else -(2**63), source, model))
            self._joined.pop(source, None)
            self._joined[source] = state, Joined(kind, names, rows)
        return self._joined[source][1]

    def _totals(self) -> Totals:
        connection = self._database.opened()
        counters: dict[str, int] = dict(connection.execute("SELECT name, value FROM counters"))
        (unmatched,) = connection.execute(f"SELECT COUNT(*) FROM labels WHERE NOT {MATCHED}").fetchone()  # noqa: S608 - our condition
        return Totals(
            added=Added(**{name: counters.get(f"added.{name}", 0) for name in Added._fields}),
            dropped=counters.get(_DROPPED, 0),
            kept=counters[KEPT],
            labels=counters[LABELS],
            unmatched=unmatched,
        )


# CROSS JOIN keeps the order: labels are the fewest.
_JOIN: Final = """
SELECT requests.time, rows.prediction, CASE WHEN requests.time > ? THEN rows.scores END, labels.label FROM labels
CROSS JOIN requests ON requests.request = labels.request AND requests.source = ?
CROSS JOIN rows ON rows.request = requests.id AND rows.row = labels.row
WHERE labels.model = ?
"""

# The time up to which rows are too many.
_NEWEST: Final = """
SELECT requests.time FROM labels
CROSS JOIN requests ON requests.request = labels.request AND requests.source = ?
CROSS JOIN rows ON rows.request = requests.id AND rows.row = labels.row
WHERE labels.model = ? ORDER BY requests.time DESC LIMIT 1 OFFSET ?
"""


def _drop(connection: sqlite3.Connection, count: int) -> int:
    """Delete so many of the oldest labels without a prediction; how many there were."""
    return connection.execute(
        "DELETE FROM labels WHERE (request, row, model) IN "  # noqa: S608 - a condition of our own
        f"(SELECT request, row, model FROM labels WHERE NOT {MATCHED} ORDER BY time, sequence LIMIT ?)",
        (count,),
    ).rowcount


def _bytes(connection: sqlite3.Connection) -> int:
    """Of the file, as far as it is used."""
    (pages,), (free,), (size,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size"))
    return int(pages - free) * int(size)


def _evict(connection: sqlite3.Connection, excess: int) -> int:
    """Delete the oldest requests until so many rows are gone, or a part of them; how many requests."""
    chosen: list[tuple[int]] = []
    for request, rows in connection.execute("SELECT id, rows FROM requests ORDER BY time, id LIMIT ?", (_EVICTED,)):
        if excess <= 0:
            break
        chosen.append((request,))
        excess -= rows
    connection.executemany("DELETE FROM requests WHERE id = ?", chosen)
    return len(chosen)


def _counter(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()[0]
    return value
