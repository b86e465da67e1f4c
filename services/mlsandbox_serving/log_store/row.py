"""An event as a row of the log table: the columns that are searched, and the whole record as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any, Final, NamedTuple

import msgpack

from mlsandbox_serving.contract import Dataset, Field, LogTable
from mlsandbox_serving.forward.messages import Event

_INT64: Final = range(-(2**63), 2**63)
_LONGEST_KEY: Final = 512
"""Searched text is cut here; the body keeps all of it."""
_as_json: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
"""What was decoded holds nothing that holds itself."""


class Row(NamedTuple):
    """Values in the order of the table's columns after the row id."""

    id: str
    timestamp: int
    dataset: str | None
    model: str | None
    version: str | None
    request_id: str | None
    trace_id: str | None
    status: int | None
    outcome: str | None
    error_code: str | None
    level: str
    severity: int
    body: str


COLUMNS: Final = (
    LogTable.ID,
    LogTable.TIMESTAMP,
    LogTable.DATASET,
    LogTable.MODEL,
    LogTable.VERSION,
    LogTable.REQUEST_ID,
    LogTable.TRACE_ID,
    LogTable.STATUS,
    LogTable.OUTCOME,
    LogTable.ERROR_CODE,
    LogTable.LEVEL,
    LogTable.SEVERITY,
    LogTable.BODY,
)


def to_row(tag: str, event: Event) -> Row:
    """The row of one event, whatever its record holds.

    A record without an `event.id` (another program's) gets one from its content, so that it too is kept once however often it arrives.
    """
    record = event.record
    body = _body(record)
    level = _level(record)
    status = record.get(Field.STATUS)
    return Row(
        id=_text(record, Field.EVENT_ID) or _content_id(tag, event.time, body),
        timestamp=event.time,
        dataset=_text(record, Field.EVENT_DATASET),
        model=_text(record, Field.MODEL),
        version=_text(record, Field.VERSION),
        request_id=_text(record, Field.REQUEST_ID),
        trace_id=_text(record, Field.TRACE_ID),
        status=status if isinstance(status, int) and status in _INT64 else None,
        outcome=_text(record, Field.EVENT_OUTCOME),
        error_code=_text(record, Field.ERROR_CODE),
        level=level,
        severity=LogTable.LEVELS.index(level),
        body=body,
    )


def _text(record: dict[str, Any], field: str) -> str | None:
    value = record.get(field)
    return _utf8(value[:_LONGEST_KEY]) if isinstance(value, str) and value else None


def _level(record: dict[str, Any]) -> str:
    given = record.get(Field.LEVEL)
    if isinstance(given, str):
        level = {"warn": "warning", "fatal": "critical", "trace": "debug"}.get(given.lower(), given.lower())
        if level in LogTable.LEVELS:
            return level
    failed = record.get(Field.EVENT_DATASET) == Dataset.ERROR or record.get(Field.EVENT_OUTCOME) == "failure"
    return "error" if failed else "info"


def _content_id(tag: str, time: int, body: str) -> str:
    return "sha256:" + hashlib.sha256(f"{tag}\n{time}\n{body}".encode()).hexdigest()


def _body(record: dict[str, Any]) -> str:
    try:
        return _utf8(_as_json(record))
    except (TypeError, ValueError, RecursionError):
        return _utf8(_as_json(_json_value(record, 0)))


def _json_value(value: object, depth: int) -> object:
    """The value out of what JSON knows: numbers that are none become text, bytes become base64, what is too deep is cut."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth > 64:
        return "…"
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
        return [_json_value(item, depth + 1) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _utf8(text: str) -> str:
    """The text without lone surrogates, which stand for bytes that were no UTF-8 and which SQLite refuses."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
