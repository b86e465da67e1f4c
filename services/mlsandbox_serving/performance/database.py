"""The tables in which predictions and labels are kept: SQLite in WAL mode, synced at each commit.

A label belongs to a row of a request to a model, whichever versions predicted it; nothing but these keys joins the two, so that it does
not matter which of them came first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlsandbox_serving.damaged import set_aside

_log = logging.getLogger(__name__)

FILE: Final = "performance.sqlite3"
_VERSION: Final = 1
_BUSY_SECONDS: Final = 5.0
_WAL_BYTES: Final = 16 * 1024 * 1024
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

KEPT: Final = "kept"
"""The count of rows with a prediction."""
LABELS: Final = "labels"
"""The count of labels."""
REVISION: Final = "revision"
"""Grows whenever something changes that a label belongs to."""

MATCHED: Final = """EXISTS (
    SELECT 1 FROM requests JOIN sources ON sources.id = requests.source JOIN rows ON rows.request = requests.id
    WHERE requests.request = labels.request AND sources.model = labels.model AND rows.row = labels.row
)"""
"""Whether a label's prediction is there."""

_SCHEMA: Final = f"""
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL, classes TEXT, UNIQUE (model, version)
);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, request TEXT NOT NULL,
    time INTEGER NOT NULL, event BLOB NOT NULL, rows INTEGER NOT NULL, UNIQUE (request, source)
);
CREATE INDEX requests_by_time ON requests (time);
CREATE INDEX requests_by_source ON requests (source, time, rows);
CREATE TABLE rows (
    request INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE, row INTEGER NOT NULL, prediction, scores BLOB,
    PRIMARY KEY (request, row)
) WITHOUT ROWID;
CREATE TABLE labels (
    request TEXT NOT NULL, row INTEGER NOT NULL, model TEXT NOT NULL, label NOT NULL,
    time INTEGER NOT NULL, sequence INTEGER NOT NULL, event BLOB NOT NULL,
    PRIMARY KEY (request, row, model)
) WITHOUT ROWID;
CREATE INDEX labels_by_time ON labels (time);
CREATE TABLE seen (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL UNIQUE);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('{KEPT}', 0), ('{LABELS}', 0), ('{REVISION}', 0);

CREATE TRIGGER request_came AFTER INSERT ON requests BEGIN
    UPDATE counters SET value = value + NEW.rows WHERE name = '{KEPT}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}' AND EXISTS (SELECT 1 FROM labels WHERE request = NEW.request);
END;
CREATE TRIGGER request_changed AFTER UPDATE OF rows ON requests BEGIN
    UPDATE counters SET value = value + NEW.rows - OLD.rows WHERE name = '{KEPT}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}';
END;
CREATE TRIGGER request_went AFTER DELETE ON requests BEGIN
    UPDATE counters SET value = value - OLD.rows WHERE name = '{KEPT}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}' AND EXISTS (SELECT 1 FROM labels WHERE request = OLD.request);
    DELETE FROM labels WHERE request = OLD.request AND model = (SELECT model FROM sources WHERE id = OLD.source) AND NOT EXISTS (
        SELECT 1 FROM requests JOIN sources ON sources.id = requests.source
        WHERE requests.request = OLD.request AND sources.model = labels.model
    );
END;
CREATE TRIGGER label_came AFTER INSERT ON labels BEGIN
    UPDATE counters SET value = value + 1 WHERE name IN ('{LABELS}', '{REVISION}');
END;
CREATE TRIGGER label_changed AFTER UPDATE ON labels BEGIN UPDATE counters SET value = value + 1 WHERE name = '{REVISION}'; END;
CREATE TRIGGER label_went AFTER DELETE ON labels BEGIN
    UPDATE counters SET value = value - 1 WHERE name = '{LABELS}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}';
END;
PRAGMA user_version = {_VERSION};
"""  # noqa: S608 - names of our own


class Database:
    """The database of a folder, opened when it is needed; a damaged one, or one of another version, is moved aside and begun anew.

    Args:
        folder: made (mode 0700) when it is absent.
    """

    def __init__(self, folder: Path) -> None:
        self.path: Final = folder / FILE
        self.moved_aside = 0
        """Databases moved aside so far."""
        self.openings = 0
        """How often it was opened: what was known of it may be of another file."""
        self._connection: sqlite3.Connection | None = None

    def opened(self) -> sqlite3.Connection:
        """The connection.

        Raises:
            sqlite3.Error, OSError: the folder cannot be used.
        """
        if self._connection is not None and not self.path.exists():
            self.close()
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self.move_aside(str(error))
                self._connection = self._connect()
        return self._connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block is committed, or nothing of it."""
        connection = self.opened()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection

    def close(self) -> None:
        """Move the write-ahead log into the database and close it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def move_aside(self, reason: str) -> None:
        """Keep the file under another name; the next use begins a new one."""
        self.close()
        self.moved_aside += 1
        aside = set_aside(self.path)
        _log.error("%s cannot be used (%s): moved it to %s; its predictions and labels are not counted any more", self.path, reason, aside)

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its other files the same mode
        self.openings += 1
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        try:
            is_new = _check_version(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            if is_new:
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection


def _check_version(connection: sqlite3.Connection) -> bool:
    """Whether the database has no tables yet; one with other tables is as good as damaged."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, _VERSION):
        error = sqlite3.DatabaseError(f"it is of version {found}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return not found


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is broken; the primary result code is in the low bits."""
    return (getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF) in _CORRUPT
