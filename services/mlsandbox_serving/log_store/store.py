"""The log store's database: SQLite in WAL mode, synced at each commit, so that an acknowledged event survives a power cut.

Used from one thread at a time. Readers open the file read-only and never wait for us, nor we for them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.contract import Dataset, LogTable
from mlsandbox_serving.damaged import set_aside
from mlsandbox_serving.log_store.row import COLUMNS, Row

_log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 2.0
"""How long the check of a database at its opening may take; a larger one is checked as far as that goes."""
_BUSY_SECONDS: Final = 5.0
_DELETE_ROWS: Final = 500
"""Rows deleted in one transaction, so that events never wait long behind a deletion."""
_WAL_BYTES: Final = 16 * 1024 * 1024
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS {LogTable.NAME} (
    {LogTable.ROWID} INTEGER PRIMARY KEY AUTOINCREMENT,
    {LogTable.ID} TEXT NOT NULL UNIQUE,
    {LogTable.TIMESTAMP} INTEGER NOT NULL,
    {LogTable.DATASET} TEXT, {LogTable.MODEL} TEXT, {LogTable.VERSION} TEXT,
    {LogTable.REQUEST_ID} TEXT, {LogTable.TRACE_ID} TEXT,
    {LogTable.STATUS} INTEGER, {LogTable.OUTCOME} TEXT, {LogTable.ERROR_CODE} TEXT,
    {LogTable.LEVEL} TEXT NOT NULL, {LogTable.SEVERITY} INTEGER NOT NULL,
    {LogTable.BODY} TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_time ON {LogTable.NAME} ({LogTable.TIMESTAMP});
CREATE INDEX IF NOT EXISTS events_by_request ON {LogTable.NAME} ({LogTable.REQUEST_ID}) WHERE {LogTable.REQUEST_ID} IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_trace ON {LogTable.NAME} ({LogTable.TRACE_ID}) WHERE {LogTable.TRACE_ID} IS NOT NULL;
CREATE INDEX IF NOT EXISTS errors_by_time ON {LogTable.NAME} ({LogTable.TIMESTAMP}) WHERE {LogTable.DATASET} = '{Dataset.ERROR}';
CREATE INDEX IF NOT EXISTS severe_by_time ON {LogTable.NAME} ({LogTable.TIMESTAMP}) WHERE {LogTable.SEVERITY} >= 2;
"""
_INSERT: Final = f"INSERT OR IGNORE INTO {LogTable.NAME} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - column names of the contract, no value of anyone
_DELETE_OLDEST: Final = (
    f"DELETE FROM {LogTable.NAME} WHERE {LogTable.ROWID} IN "  # noqa: S608 - names of the contract
    f"(SELECT {LogTable.ROWID} FROM {LogTable.NAME} WHERE {LogTable.TIMESTAMP} < ? ORDER BY {LogTable.TIMESTAMP} LIMIT {_DELETE_ROWS})"
)
_EVER: Final = 2**63 - 1


class Stored(NamedTuple):
    """What became of a batch: rows that are new, and rows that were there already."""

    new: int
    duplicate: int


class EventStore:
    """Events in `<folder>/events.sqlite3`; a damaged database is moved aside, said so, and begun anew.

    Args:
        folder: made (mode 0700) when it is absent.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.path: Final = folder / LogTable.FILE
        self.corruptions = 0
        """Databases moved aside so far."""
        self._connection: sqlite3.Connection | None = None
        self._opened()

    def add(self, rows: Sequence[Row]) -> Stored:
        """Store rows whose id is new; when this returns they are on disk.

        Raises:
            sqlite3.Error, OSError: nothing was stored (a full disk is an OperationalError).
        """
        if not self.path.exists():
            self.close()
        try:
            return self._add(rows)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _CORRUPT:
                raise
            self._move_aside(error)
            return self._add(rows)

    def delete_older(self, timestamp: int) -> int:
        """Delete one small batch of the events before `timestamp` (epoch nanoseconds), oldest first; how many."""
        return self._delete(timestamp)

    def shrink(self, max_bytes: int) -> int:
        """Delete one small batch of the oldest events when the database is over `max_bytes`; how many."""
        connection = self._opened()
        used, free, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
        return self._delete(_EVER) if (used - free) * page > max_bytes else 0

    def size(self) -> int:
        """Bytes on disk, with the write-ahead log."""
        total = 0
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                total += Path(f"{self.path}{suffix}").stat().st_size
        return total

    def close(self) -> None:
        """Move the write-ahead log into the database and close it; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _add(self, rows: Sequence[Row]) -> Stored:
        connection = self._opened()
        with connection:
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            new = connection.total_changes - before
        return Stored(new, len(rows) - new)

    def _delete(self, before: int) -> int:
        connection = self._opened()
        try:
            with connection:
                count = connection.execute(_DELETE_OLDEST, (before,)).rowcount
            if count:
                connection.executescript("PRAGMA incremental_vacuum(1000)")  # as a script: `execute` would free one page alone
        except sqlite3.DatabaseError as error:
            if _code(error) not in _CORRUPT:
                raise
            self._move_aside(error)
            return 0
        return count

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.DatabaseError as error:
                if _code(error) not in _CORRUPT:
                    raise
                self._move_aside(error)
                self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its other files the same mode
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            _check(connection)
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new database alone, before its first table
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        self.corruptions += 1
        aside = set_aside(self.path)
        _log.error("%s is damaged (%s): moved it to %s and began a new one; its events are missing from the log", self.path, error, aside)


def _check(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        damaged = sqlite3.DatabaseError(" ".join(found.split()))
        damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damaged


def _code(error: sqlite3.Error) -> int:
    """The primary result code; the extended one is in the bits above."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
