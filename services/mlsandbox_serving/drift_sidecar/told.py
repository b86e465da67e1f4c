"""Which alerts were told already, and the events of those that are about to be: a change and its event are noted in one transaction.

Killed between that and the spool, the service writes the same event, with its id and time, once more at its next start; where events are
stored, an id is kept once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from mlsandbox_serving.database import Database, Tables, check_version
from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift_sidecar.settings import Source

FILE: Final = "told.sqlite3"
_VERSION: Final = 1
_LOSS: Final = "alerts that stand are told once more"
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS alerts (
    model TEXT NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL, since INTEGER NOT NULL, page INTEGER NOT NULL,
    PRIMARY KEY (model, version, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, record TEXT NOT NULL);
PRAGMA user_version = {_VERSION};
"""


class Standing(NamedTuple):
    """An alert that was raised and not cleared."""

    since: int
    """The row at which it began."""
    page: bool
    """Whether it is large enough to matter."""


class Change(NamedTuple):
    """What became of an alert."""

    kind: Kind
    now: Standing | None
    """None: it is cleared."""
    record: Mapping[str, Any]
    """The event that tells it."""


class Told:
    """In `<folder>/told.sqlite3`; used from one thread at a time.

    Args:
        folder: made (mode 0700) when it is absent.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / FILE, Tables(lambda file: check_version(file, _VERSION), _make, _LOSS))
        self._database.opened()

    @property
    def moved_aside(self) -> int:
        """Databases found damaged and begun anew so far."""
        return self._database.moved_aside

    def standing(self, source: Source) -> dict[Kind, Standing]:
        """The alerts of a source that were told and stand.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        found = self._database.recovered(lambda: self._database.opened().execute(_STANDING, source).fetchall())
        return {Kind(kind): Standing(since, bool(page)) for kind, since, page in found}

    def sources(self) -> list[Source]:
        """All with alerts that were told and stand.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        found = self._database.recovered(lambda: self._database.opened().execute(_SOURCES).fetchall())
        return [Source(*each) for each in found]

    def note(self, source: Source, changes: Sequence[Change], time: float) -> None:
        """Remember changes, and their events until they are `sent`.

        Raises:
            sqlite3.Error: nothing is remembered.
        """
        with self._database.transaction() as connection:
            for change in changes:
                key = (*source, change.kind.value)
                if change.now is None:
                    connection.execute("DELETE FROM alerts WHERE model = ? AND version = ? AND kind = ?", key)
                else:
                    connection.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?)", (*key, *change.now))
                connection.execute("INSERT INTO outbox (time, record) VALUES (?, ?)", (time, json.dumps(change.record)))

    def outbox(self) -> list[tuple[int, float, dict[str, Any]]]:
        """Events that were noted and not sent, the oldest first: number, epoch seconds, record.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        found = self._database.recovered(lambda: self._database.opened().execute(_OUTBOX).fetchall())
        return [(number, time, json.loads(record)) for number, time, record in found]

    def sent(self, number: int) -> None:
        """An event is in the spool, or fits into none.

        Raises:
            sqlite3.Error: it stays in the outbox.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


_STANDING: Final = "SELECT kind, since, page FROM alerts WHERE model = ? AND version = ?"
_SOURCES: Final = "SELECT DISTINCT model, version FROM alerts ORDER BY model, version"
_OUTBOX: Final = "SELECT number, time, record FROM outbox ORDER BY number"


def _make(connection: sqlite3.Connection) -> None:
    connection.executescript(_SCHEMA)
