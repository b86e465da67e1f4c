"""An SQLite database of our own, opened in one way: WAL mode, synced at each commit, so that what was acknowledged survives a power cut.

A damaged one is moved out of the way, so that its owner can begin a new one and nothing is destroyed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUSY_SECONDS: Final = 5.0
_WAL_BYTES: Final = 16 * 1024 * 1024
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_KEPT: Final = 3
"""Databases that were moved aside and are kept."""
_PARTS: Final = ("", "-wal", "-shm")


class Tables(NamedTuple):
    """What a database holds."""

    prepare: Callable[[sqlite3.Connection], object]
    """Called before anything is written; raises what `damage` makes when the file is of no use."""
    make: Callable[[sqlite3.Connection], object]
    """Makes the tables that are absent."""
    loss: str
    """What it means that one was moved aside: "its events are missing from the log"."""


class Database:
    """A database, opened when it is needed. Used from one thread at a time.

    Args:
        path: its file; the folder is made (mode 0700) when it is absent.
        tables: see `Tables`.
    """

    def __init__(self, path: Path, tables: Tables) -> None:
        self.path: Final = path
        self.moved_aside = 0
        """Databases moved aside so far."""
        self.openings = 0
        """How often it was opened: what was known of it may be of another file."""
        self._tables = tables
        self._connection: sqlite3.Connection | None = None

    def opened(self) -> sqlite3.Connection:
        """The connection; each statement outside of a transaction is one of its own.

        Raises:
            sqlite3.Error, OSError: the folder cannot be used.
        """
        if self._connection is not None and not self.path.exists():
            self.close()
        if self._connection is None:
            self._connection = self.recovered(self._connect)
        return self._connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block is committed, or nothing of it."""
        connection = self.opened()
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection

    def recovered(self, work: Callable[[], T]) -> T:
        """The work's result; when the database turns out to be damaged, that of a new one."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._move_aside(error)
            return work()

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

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its other files the same mode
        self.openings += 1
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        try:
            self._tables.prepare(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            self._tables.make(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        self.moved_aside += 1
        aside = _set_aside(self.path)
        _log.error("%s cannot be used (%s): moved it to %s and began a new one; %s", self.path, error, aside, self._tables.loss)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is broken."""
    return primary_code(error) in _CORRUPT


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without what the extended one has in the bits above."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def damage(reason: str) -> sqlite3.DatabaseError:
    """The error of a file that is as good as broken."""
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def check_version(connection: sqlite3.Connection, version: int) -> bool:
    """Whether the database has tables already.

    Raises:
        sqlite3.DatabaseError: it has those of another version, and is as good as damaged.
    """
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, version):
        raise damage(f"it is of version {found}")
    return bool(found)


def _set_aside(path: Path) -> Path:
    """Rename a closed database and its companions, "…/events.sqlite3" to "…/events.corrupt-<nanoseconds>.sqlite3"."""
    aside = path.with_name(f"{path.stem}.corrupt-{time.time_ns()}{path.suffix}")
    for part in _PARTS:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{part}").rename(f"{aside}{part}")
    for old in sorted(path.parent.glob(f"{path.stem}.corrupt-*{path.suffix}"))[:-_KEPT]:
        for part in _PARTS:
            Path(f"{old}{part}").unlink(missing_ok=True)
    return aside
