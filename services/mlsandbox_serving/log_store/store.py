"""The log store's database. Used from one thread at a time; readers open the file read-only and never wait for us, nor we for them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.contract import Dataset, LogTable
from mlsandbox_serving.database import Database, Tables, damage, primary_code
from mlsandbox_serving.log_store.row import COLUMNS, Row

_CHECK_SECONDS: Final = 2.0
"""How long the check of a database at its opening may take; a larger one is checked as far as that goes."""
_DELETE_ROWS: Final = 500
"""Rows deleted in one transaction, so that events never wait long behind a deletion."""

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
        self._database = Database(folder / LogTable.FILE, _TABLES)
        self.path: Final = self._database.path
        self._database.opened()

    @property
    def corruptions(self) -> int:
        """Databases moved aside so far."""
        return self._database.moved_aside

    def add(self, rows: Sequence[Row]) -> Stored:
        """Store rows whose id is new; when this returns they are on disk.

        Raises:
            sqlite3.Error, OSError: nothing was stored (a full disk is an OperationalError).
        """
        return self._database.recovered(lambda: self._add(rows))

    def delete_older(self, timestamp: int) -> int:
        """Delete one small batch of the events before `timestamp` (epoch nanoseconds), oldest first; how many."""
        return self._database.recovered(lambda: self._delete(timestamp))

    def shrink(self, max_bytes: int) -> int:
        """Delete one small batch of the oldest events when the database is over `max_bytes`; how many."""
        connection = self._database.opened()
        used, free, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
        return self.delete_older(_EVER) if (used - free) * page > max_bytes else 0

    def size(self) -> int:
        """Bytes on disk, with the write-ahead log."""
        return self._database.size()

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self._database.close()

    def _add(self, rows: Sequence[Row]) -> Stored:
        with self._database.transaction() as connection:
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            new = connection.total_changes - before
        return Stored(new, len(rows) - new)

    def _delete(self, before: int) -> int:
        with self._database.transaction() as connection:
            count = connection.execute(_DELETE_OLDEST, (before,)).rowcount
        if count:
            connection.executescript("PRAGMA incremental_vacuum(1000)")  # as a script: `execute` would free one page alone
        return count


def _prepare(connection: sqlite3.Connection) -> None:
    _check(connection)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new database alone, before its first table


def _check(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise damage(" ".join(found.split()))


_TABLES: Final = Tables(_prepare, lambda connection: connection.executescript(_SCHEMA), "its events are missing from the log")
