"""Finds events in the embedded log store's file: while the store runs, and when it does not."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mlsandbox.errors import EventLogUnreadable
from mlsandbox_serving.contract import Dataset, LogTable

ROWID: Final = "_rowid"
"""Key of a found event that holds its row id, to go on from with `after_rowid`; every other key is a field of `contract.Field`."""

_NANOSECONDS: Final = 10**9
_BUSY_SECONDS: Final = 5.0
_CANNOT_COORDINATE: Final = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY"})


def query(
    path: Path,
    *,
    requests: bool = False,
    errors: bool = False,
    request_id: str | None = None,
    trace_id: str | None = None,
    model: str | None = None,
    since: float | None = None,
    until: float | None = None,
    level: str | None = None,
    after_rowid: int | None = None,
    limit: int = 100,
) -> Iterator[dict[str, Any]]:
    """Events that match every condition given, the newest last.

    Args:
        path: the database, `LogTable.FILE` in the log store's folder.
        requests: answers to requests, good or bad, alone.
        errors: errors alone.
        request_id: those of one request.
        trace_id: those of one trace.
        model: those of one model.
        since: epoch seconds, inclusive.
        until: epoch seconds, exclusive.
        level: this level or a more severe one, as in `LogTable.LEVELS`.
        after_rowid: those stored after this row, oldest first: with the `ROWID` of the last event seen this follows the log.
        limit: how many at most: the newest, or with `after_rowid` the next ones.

    Raises:
        EventLogUnreadable: there is no database yet, or it is damaged.
        ValueError: no such level.
    """
    if level is not None and level not in LogTable.LEVELS:
        raise ValueError(f"{level!r} is no level; these are: {', '.join(LogTable.LEVELS)}")
    conditions: list[tuple[str, object]] = []
    if requests:
        conditions.append((f"{LogTable.DATASET} IN ('{Dataset.PREDICTION}', '{Dataset.ERROR}') AND ?", 1))
    if errors:
        conditions.append((f"{LogTable.DATASET} = '{Dataset.ERROR}' AND ?", 1))
    if level is not None:
        conditions.append((f"{LogTable.SEVERITY} >= ?", LogTable.LEVELS.index(level)))
    if since is not None:
        conditions.append((f"{LogTable.TIMESTAMP} >= ?", int(since * _NANOSECONDS)))
    if until is not None:
        conditions.append((f"{LogTable.TIMESTAMP} < ?", int(until * _NANOSECONDS)))
    for column, value in ((LogTable.REQUEST_ID, request_id), (LogTable.TRACE_ID, trace_id), (LogTable.MODEL, model)):
        if value is not None:
            conditions.append((f"{column} = ?", value))
    if after_rowid is not None:
        conditions.append((f"{LogTable.ROWID} > ?", after_rowid))
    where = " AND ".join(condition for condition, _ in conditions) or "1"
    order = f"{LogTable.ROWID} ASC" if after_rowid is not None else f"{LogTable.TIMESTAMP} DESC, {LogTable.ROWID} DESC"
    sql = f"SELECT {LogTable.ROWID}, {LogTable.BODY} FROM {LogTable.NAME} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608 - names of the contract
    rows = _rows(path, sql, [*(value for _, value in conditions), limit])
    return map(_event, rows if after_rowid is not None else reversed(rows))


def last_rowid(path: Path) -> int:
    """The row id of the event stored last; 0 when there is none. Where following the log begins.

    Raises:
        EventLogUnreadable: there is no database yet, or it is damaged.
    """
    rows = _rows(path, f"SELECT MAX({LogTable.ROWID}), '' FROM {LogTable.NAME}", [])  # noqa: S608 - names of the contract
    return rows[0][0] or 0 if rows else 0


def _event(row: tuple[int, str]) -> dict[str, Any]:
    return {**json.loads(row[1]), ROWID: row[0]}


def _rows(path: Path, sql: str, values: list[object]) -> list[tuple[int, str]]:
    if not path.is_file():
        raise EventLogUnreadable("no events are logged yet", why=f"the log store has not made {path}", fix="start the stack: sandbox up")
    try:
        return _read(path, sql, values)
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error):
            return []  # the log store is just starting for the first time
        raise EventLogUnreadable(
            "the logged events cannot be read",
            why=f"{path}: {error}",
            fix="restart the stack, the log store moves a damaged file aside and begins a new one: sandbox down && sandbox up",
        ) from error


def _read(path: Path, sql: str, values: list[object]) -> list[tuple[int, str]]:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _fetch(uri, sql, values)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in _CANNOT_COORDINATE or Path(f"{path}-wal").exists():
            raise
        # Nobody writes, and the folder lets us not make the files with which readers and writers tell each other apart.
        return _fetch(f"{uri}&immutable=1", sql, values)


def _fetch(uri: str, sql: str, values: list[object]) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
        return connection.execute(sql, values).fetchall()
