"""One event as an entry of the Forward protocol: `[EventTime, record]` in MessagePack.

EventTime is extension type 0 with seconds and nanoseconds, as in the Forward Protocol Specification v1
(https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1#eventtime-ext-format).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import msgpack
from fluent.sender import EventTime

from mlsandbox_serving.spool.segment import ENTRY_START

_DEEPEST: Final = 64
_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1


class Unencodable(ValueError):
    """Not even the plain form of the record fits into MessagePack."""


def encode(record: Mapping[str, object], timestamp: float) -> bytes:
    """The entry's bytes.

    Whatever a client can send is encoded: lone surrogates become backslash escapes, integers past 64 bits and unknown objects become text.

    Args:
        record: the event's fields.
        timestamp: epoch seconds.

    Raises:
        Unencodable: `record` is no mapping, or the time is outside of 1970 to 2106.
    """
    try:
        start: bytes = ENTRY_START + EventTime(timestamp).data
    except (struct.error, ValueError, OverflowError) as error:
        raise Unencodable(f"timestamp {timestamp!r}: {error}") from error
    return start + packed(record)


def packed(record: Mapping[str, object]) -> bytes:
    """The record alone in MessagePack, whatever a client can send in it; see `encode`.

    Raises:
        Unencodable: it is no mapping.
    """
    try:
        return _pack(record)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return _pack(_plain(record, 0))
    except Exception as error:  # objects of the model's own code may raise anything when they are turned into text
        raise Unencodable(f"{type(error).__name__}: {error}") from error


def _pack(record: object) -> bytes:
    encoded: bytes = msgpack.packb(record, unicode_errors="backslashreplace")
    return encoded


def _plain(value: object, depth: int) -> object:
    """The same value out of what MessagePack knows."""
    if value is None or isinstance(value, (bool, float, str, bytes)):
        return value
    if isinstance(value, int):
        return value if _INT64_MIN <= value <= _UINT64_MAX else str(value)
    return "…" if depth == _DEEPEST else _plain_container(value, depth + 1)


def _plain_container(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(item, depth) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return _plain(value.tolist(), depth)
    return str(value)
