"""`python -m mlsandbox_serving.log_store.find`: finds events in the log store's file, while the store runs and when it does not."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mlsandbox_serving.contract import Dataset, Env, Finder, LogTable
from mlsandbox_serving.finding import Conditions, FindFailed, run_finder, within

_NANOSECONDS: Final = 10**9
_BUSY_SECONDS: Final = 5.0
_CANNOT_COORDINATE: Final = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY"})
_AT_ONCE: Final = 1000
"""Events that are read in one go while following."""


def find(path: Path, wanted: Conditions) -> Iterator[dict[str, Any] | None]:
    """Events that match, the newest last; with `follow` then every new one in the order of arrival, and None where there is none for now.

    With `rows` the newest first, one at a time: no more than one of them is held.

    Args:
        path: the database, `LogTable.FILE` in the log store's folder.
        wanted: the conditions.

    Raises:
        FindFailed: there is no database yet, or it is damaged.
    """
    seen = _last_row(path)
    newest = f"ORDER BY {LogTable.TIMESTAMP} DESC, {LogTable.ROWID} DESC"
    there = _found(path, wanted, (f"{LogTable.ROWID} <= ?", seen), newest, limit=wanted.limit)
    if wanted.rows is not None:
        yield from within(wanted.rows, (event for _, event in there))
        return
    yield from (event for _, event in reversed(list(there)))
    while wanted.follow:
        fresh = list(_found(path, wanted, (f"{LogTable.ROWID} > ?", seen), f"ORDER BY {LogTable.ROWID} ASC", limit=_AT_ONCE))
        seen = fresh[-1][0] if fresh else seen
        yield from (event for _, event in fresh)
        if not fresh:
            yield None


def _found(path: Path, wanted: Conditions, part: tuple[str, int], order: str, *, limit: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of one part of the log that match, each as its row id and its event."""
    conditions: list[tuple[str, object]] = [part]
    if wanted.requests:
        conditions.append((f"{LogTable.DATASET} IN ('{Dataset.PREDICTION}', '{Dataset.ERROR}') AND ?", 1))
    conditions += [(f"{LogTable.DATASET} = ?", name) for name in wanted.datasets]
    if wanted.level is not None:
        conditions.append((f"{LogTable.SEVERITY} >= ?", LogTable.LEVELS.index(wanted.level)))
    conditions += [(f"{LogTable.MODEL} = ?", wanted.model)] if wanted.model is not None else []
    conditions += [(f"{LogTable.VERSION} = ?", wanted.version)] if wanted.version is not None else []
    if wanted.since is not None:
        conditions.append((f"{LogTable.TIMESTAMP} >= ?", int(wanted.since * _NANOSECONDS)))
    if wanted.request_id is not None:
        conditions.append((f"{LogTable.REQUEST_ID} = ?", wanted.request_id))
    where = " AND ".join(condition for condition, _ in conditions)
    sql = f"SELECT {LogTable.ROWID}, {LogTable.BODY} FROM {LogTable.NAME} WHERE {where} {order} LIMIT ?"  # noqa: S608 - names of the contract
    return ((number, json.loads(body)) for number, body in _rows(path, sql, [*(value for _, value in conditions), limit]))


def _last_row(path: Path) -> int:
    rows = list(_rows(path, f"SELECT MAX({LogTable.ROWID}), '' FROM {LogTable.NAME}", []))  # noqa: S608 - names of the contract
    return rows[0][0] or 0 if rows else 0


def _rows(path: Path, sql: str, values: list[object]) -> Iterator[tuple[int, str]]:
    """Read as they are taken."""
    if not path.is_file():
        raise FindFailed(Finder.ABSENT, f"the log store has not made {path}")
    try:
        with contextlib.ExitStack() as opened:
            yield from _asked(path, sql, values, opened)
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error):
            return  # the log store is just starting for the first time
        raise FindFailed(Finder.UNREADABLE, f"{path}: {error}") from error


def _asked(path: Path, sql: str, values: list[object], opened: contextlib.ExitStack) -> sqlite3.Cursor:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _executed(uri, sql, values, opened)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in _CANNOT_COORDINATE or Path(f"{path}-wal").exists():
            raise
        # Nobody writes, and the folder lets us not make the files with which readers and writers tell each other apart.
        return _executed(f"{uri}&immutable=1", sql, values, opened)


def _executed(uri: str, sql: str, values: list[object], opened: contextlib.ExitStack) -> sqlite3.Cursor:
    connection = opened.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)))
    return connection.execute(sql, values)


if __name__ == "__main__":
    raise SystemExit(run_finder(lambda wanted: find(Path(os.environ[Env.LOG_STORE_DIR]) / LogTable.FILE, wanted)))
