"""The events of rows that stand apart: which rows of which request, and why (pure). No value of a row is ever in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from mlsandbox_serving.contract import Action, Dataset, Field
from mlsandbox_serving.drift import OutlierMask, Outlying
from mlsandbox_serving.drift.values import padded
from mlsandbox_serving.drift_sidecar.alert_events import common
from mlsandbox_serving.drift_sidecar.event import Rows, read
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.forward.messages import Event

MOST_ROWS: Final = 100
"""Rows that one event names; the rest is counted."""
MOST_COLUMNS: Final = 20
"""Columns that are named of each row."""
_SAID_ROWS: Final = 3
_SAID_COLUMNS: Final = 3
_NANOSECONDS: Final = 10**9

Told = tuple[dict[str, Any], float]
"""A record and its time, epoch seconds."""


def row_events(events: Iterable[Event], mask_of: Callable[[Source], OutlierMask | None]) -> list[Told]:
    """One event for each prediction with rows that stand apart.

    It has the time of the prediction, and an id that follows from the prediction's, so that it is kept once however often it is made.

    Args:
        events: as they arrive.
        mask_of: what a source's rows are looked at with; None while it has no reference.
    """
    alike: dict[tuple[Source, frozenset[str]], list[tuple[Event, Rows]]] = {}
    for event in events:
        rows = read(event)
        if isinstance(rows, Rows) and rows.columns:
            alike.setdefault((rows.source, frozenset(rows.columns)), []).append((event, rows))
    told: list[Told] = []
    for (source, names), found in alike.items():
        mask = mask_of(source)
        if mask is not None:
            told += _of_source(found, names, mask)
    return told


def _of_source(found: Sequence[tuple[Event, Rows]], names: Iterable[str], mask: OutlierMask) -> Iterable[Told]:
    """All rows are looked at in one go: that costs about as much for one as for a hundred."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for _, rows in found:
        for name, values in (rows.columns or {}).items():
            columns[name].extend(padded(values, rows.length))
    outlying = mask.outlying(columns)
    start = 0
    for event, rows in found:
        own = {row - start: outlying[row] for row in range(start, start + rows.length) if row in outlying}
        start += rows.length
        if own:
            time = rows.time / _NANOSECONDS
            yield _record(event.record, rows, own, time), time


def _record(prediction: dict[str, Any], rows: Rows, outlying: Outlying, time: float) -> dict[str, Any]:
    counts = Counter(column for reasons in outlying.values() for column in reasons)
    shown = {row: dict(list(reasons.items())[:MOST_COLUMNS]) for row, reasons in list(outlying.items())[:MOST_ROWS]}
    record = {
        **common(rows.source, Dataset.OUTLIERS, Action.OUTLIERS, time),
        Field.EVENT_ID: hashlib.blake2b(f"outliers/{prediction[Field.EVENT_ID]}".encode(errors="replace"), digest_size=16).hexdigest(),
        Field.EVENT_KIND: "event",
        Field.LEVEL: "info",
        Field.MESSAGE: _said(rows.length, outlying),
        Field.ROWS: rows.length,
        Field.DRIFT_PREDICTION: prediction[Field.EVENT_ID],
        Field.DRIFT_FLAGGED: len(outlying),
        Field.DRIFT_COLUMNS: [column for column, _ in counts.most_common(MOST_COLUMNS)],
        Field.DRIFT_FLAGS: [
            {"row": row, "columns": {column: reason.value for column, reason in reasons.items()}} for row, reasons in shown.items()
        ],
        Field.TRUNCATED: len(shown) < len(outlying) or any(len(outlying[row]) > len(reasons) for row, reasons in shown.items()),
    }
    for field in (Field.REQUEST_ID, Field.TRACE_ID):
        if isinstance(prediction.get(field), str):
            record[field] = prediction[field]
    return record


def _said(rows: int, outlying: Outlying) -> str:
    """As in: 1 of 5 rows unlike the reference: row 3: age out of range."""
    told = []
    for row, reasons in list(outlying.items())[:_SAID_ROWS]:
        columns = [f"{column} {reason.value}" for column, reason in list(reasons.items())[:_SAID_COLUMNS]]
        told.append(f"row {row}: {', '.join(columns)}{', …' if len(reasons) > len(columns) else ''}")
    more = "; …" if len(outlying) > len(told) else ""
    return f"{len(outlying)} of {rows} {'row' if rows == 1 else 'rows'} unlike the reference: {'; '.join(told)}{more}"
