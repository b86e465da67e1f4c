"""What the drift service has on disk.

The journal holds the rows of events that no saved monitor has seen yet; ids of events are kept longer, so that a second delivery is
recognised. Used from one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.database import Database, Tables, check_version
from mlsandbox_serving.drift_sidecar.event import Labelled, Rows, unpacked
from mlsandbox_serving.drift_sidecar.settings import Source

FILE: Final = "drift.sqlite3"
MOST_IDS: Final = 500_000
"""Ids of events that are remembered; a shipper that lost its place sends at most what is left in its spool again."""
IDENTITY_BYTES: Final = 16
_VERSION: Final = 1
_LOSS: Final = "the monitors go on from what they know now"
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS sources (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL,
    monitor BLOB, applied INTEGER NOT NULL DEFAULT 0, last_event INTEGER NOT NULL DEFAULT 0,
    UNIQUE (model, version)
);
CREATE TABLE IF NOT EXISTS journal (
    place INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, event BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_by_source ON journal (source, place);
CREATE TABLE IF NOT EXISTS identity (id BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ids (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL UNIQUE);
PRAGMA user_version = {_VERSION};
"""


class Saved(NamedTuple):
    """What is known of a source."""

    source: Source
    monitor: bytes | None
    """Its state; None when it was never saved."""
    last_event: int
    """Epoch nanoseconds of the newest event when it was saved."""


class Snapshot(NamedTuple):
    """A monitor to be saved."""

    source: Source
    monitor: bytes
    applied: int
    """Place of the last event that it has seen."""
    last_event: int


class StateStore:
    """State in `<folder>/drift.sqlite3`; a damaged file is moved aside, said so, and begun anew.

    Args:
        folder: made (mode 0700) when it is absent.
        most_ids: see MOST_IDS.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, most_ids: int = MOST_IDS) -> None:
        self._database = Database(folder / FILE, Tables(lambda connection: check_version(connection, _VERSION), self._make, _LOSS))
        self.unsaved_bytes = 0
        """Of what the journal has."""
        self._most_ids = most_ids
        self._ids: dict[Source, int] = {}
        self._last = 0
        """The last place of the journal that was given away; a file begun anew goes on from there, so that no place is used twice."""
        self._identity = b""
        self._database.recovered(lambda: self._database.opened().execute("PRAGMA quick_check(1)").fetchone())
        self.unsaved_bytes = self._database.recovered(self._journal_bytes)

    @property
    def corruptions(self) -> int:
        """Files moved aside so far."""
        return self._database.moved_aside

    @property
    def identity(self) -> bytes:
        """Random, of the journal whose places are given away; another one when the file was lost between two starts."""
        return self._identity

    def sources(self) -> list[Saved]:
        """Everything that was saved.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        return self._database.recovered(self._sources)

    def journal(self, source: Source) -> Iterator[tuple[int, Rows | Labelled | None]]:
        """What a source's saved monitor has not seen, with the place of each event, in their order; None where a block was ended.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        connection, number = self._database.opened(), self._number(source)
        found = connection.execute("SELECT place, event, body FROM journal WHERE source = ? ORDER BY place", (number,))
        for place, key, body in found:
            yield place, unpacked(source, key, body) if body else None

    def append(self, events: Iterable[Rows | Labelled]) -> list[tuple[int, Rows | Labelled] | None]:
        """Write events whose id is new into the journal; when this returns they are on disk.

        Returns:
            for each event its place and itself; None for one that was here before.

        Raises:
            sqlite3.Error, OSError: nothing was written (a full disk is an OperationalError).
        """
        given = list(events)
        if not given:
            return []
        return self._database.recovered(lambda: self._append(given))

    def end_block(self, source: Source) -> int:
        """Write into the journal that a source's block ends here, so that it does whenever the journal is read; the place.

        Raises:
            sqlite3.Error: nothing was written.
        """
        with self._transaction() as connection:
            values = (self._number(source), b"", b"")
            self._last = connection.execute("INSERT INTO journal (source, event, body) VALUES (?, ?, ?)", values).lastrowid or 0
        return self._last

    def save(self, snapshots: Sequence[Snapshot]) -> None:
        """Save monitors, and forget the part of the journal that they have seen.

        Raises:
            sqlite3.Error: nothing was saved; the journal is as it was.
        """
        with self._transaction() as connection:
            for each in snapshots:
                number = self._number(each.source)
                connection.execute(
                    "UPDATE sources SET monitor = ?, applied = ?, last_event = ? WHERE id = ?",
                    (each.monitor, each.applied, each.last_event, number),
                )
                connection.execute("DELETE FROM journal WHERE source = ? AND place <= ?", (number, each.applied))

        self.unsaved_bytes = 0

    def forget(self, source: Source) -> None:
        """Delete all that is known of a source, but the ids of its events.

        Raises:
            sqlite3.Error: nothing was deleted.
        """
        with self._transaction() as connection:
            number = self._number(source)
            connection.execute("DELETE FROM journal WHERE source = ?", (number,))
            connection.execute("DELETE FROM sources WHERE id = ?", (number,))
        self._ids.pop(source, None)

    def size(self) -> int:
        """Bytes on disk, with the write-ahead log."""
        return self._database.size()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()

    def _journal_bytes(self) -> int:
        return int(self._database.opened().execute("SELECT TOTAL(LENGTH(body)) FROM journal").fetchone()[0])

    def _sources(self) -> list[Saved]:
        found = self._database.opened().execute("SELECT model, version, monitor, last_event FROM sources ORDER BY id")
        return [Saved(Source(model, version), *rest) for model, version, *rest in found]

    def _append(self, events: list[Rows | Labelled]) -> list[tuple[int, Rows | Labelled] | None]:
        places: list[tuple[int, Rows | Labelled] | None] = []
        with self._transaction() as connection:
            for each in events:
                if not connection.execute("INSERT OR IGNORE INTO ids (event) VALUES (?)", (each.key,)).rowcount:
                    places.append(None)
                    continue
                self.unsaved_bytes += len(each.body)
                values = (self._number(each.source), each.key, each.body)
                place = connection.execute("INSERT INTO journal (source, event, body) VALUES (?, ?, ?)", values).lastrowid
                self._last = place or 0
                places.append((self._last, each))
            connection.execute("DELETE FROM ids WHERE number <= (SELECT MAX(number) FROM ids) - ?", (self._most_ids,))
        return places

    def _number(self, source: Source) -> int:
        """Of a source's row, which is made when it is absent."""
        if source not in self._ids:
            connection = self._database.opened()
            connection.execute("INSERT OR IGNORE INTO sources (model, version) VALUES (?, ?)", source)
            found = connection.execute("SELECT id FROM sources WHERE model = ? AND version = ?", source).fetchone()
            self._ids[source] = found[0]
        return self._ids[source]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database.transaction() as connection:
                yield connection
        except BaseException:
            self._ids = {}  # rows of new sources are gone again
            raise

    def _make(self, connection: sqlite3.Connection) -> None:
        self._ids = {}  # it may be another file than the last one
        connection.executescript(_SCHEMA)
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
        if last is None and self._last:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('journal', ?)", (self._last,))
        identity = connection.execute("SELECT id FROM identity").fetchone()
        if identity is None:
            identity = (self._identity or os.urandom(IDENTITY_BYTES),)
            connection.execute("INSERT INTO identity VALUES (?)", identity)
        self._identity, self._last = identity[0], self._last if last is None else last[0]
