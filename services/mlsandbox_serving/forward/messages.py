"""Messages of the Forward protocol as bytes and as events; no sockets here.

https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1#event-modes defines the four modes:
Message, Forward, PackedForward and CompressedPackedForward.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgpack

from mlsandbox_serving.forward.framing import MOST_VALUES, holds_too_much

MAX_MESSAGE_BYTES: Final = 33 * 1024 * 1024
"""Largest message that is received, and largest content of a compressed one: the largest record of a spool, and what is around it."""
_EVENT_TIME_TYPE: Final = 0
_EVENT_TIME: Final = struct.Struct(">II")
_GZIP: Final = 31  # window bits of zlib that mean the gzip format
_NANOSECONDS: Final = 10**9
_LATEST: Final = 2**63 - 1


class ProtocolError(ValueError):
    """The other side does not speak the Forward protocol, or not within our limits."""


class Event(NamedTuple):
    """One event: epoch nanoseconds and the record."""

    time: int
    record: dict[str, Any]


class Message(NamedTuple):
    """What one message carries; `chunk` is the id that its sender wants acknowledged."""

    tag: str
    events: list[Event]
    chunk: str | None
    left_out: int = 0
    """Events that hold too many values to be decoded; sent again, they would be no smaller."""


def unpacker(limit: int = MAX_MESSAGE_BYTES) -> msgpack.Unpacker:
    """A stream decoder that raises before it holds more than `limit` bytes of one message."""
    return msgpack.Unpacker(
        raw=False,
        unicode_errors="surrogateescape",  # bytes that are no UTF-8 survive: old senders pack entries as a string
        strict_map_key=False,
        max_buffer_size=limit,
        max_array_len=min(limit, MOST_VALUES),  # a header is believed before the items arrive, and memory is taken for them
        max_map_len=min(limit, MOST_VALUES),
    )


def decode(message: object, *, limit: int = MAX_MESSAGE_BYTES) -> Message:
    """The events of one message in any of the four modes.

    Args:
        message: the decoded MessagePack array.
        limit: bytes that the content of a compressed message may have.

    Raises:
        ProtocolError: malformed, an unknown compression, or over the limit.
    """
    if not isinstance(message, list) or not 2 <= len(message) <= 4:
        raise ProtocolError(f"an array of 2 to 4 elements was expected, not {type(message).__name__}")
    tag, entries = message[0], message[1]
    if not isinstance(tag, str):
        raise ProtocolError(f"the tag is {type(tag).__name__}, not a string")
    if isinstance(entries, list):
        option = _option(message, 2)
        return Message(tag, [_event(entry) for entry in entries], _chunk(option))
    if isinstance(entries, (bytes, str)):  # "Server MUST accept both formats of bin and str"
        option = _option(message, 2)
        packed = entries if isinstance(entries, bytes) else entries.encode(errors="surrogateescape")
        content = _decompress(packed, option, limit)
        if _is_too_much(content, limit):
            return Message(tag, [], _chunk(option), left_out=1)
        return Message(tag, _unpack(content, limit), _chunk(option))
    if len(message) < 3:
        raise ProtocolError("no record")
    return Message(tag, [_event([entries, message[2]])], _chunk(_option(message, 3)))


def encode_packed(tag: str, entries: Iterable[bytes], *, chunk: str) -> bytes:
    """A PackedForward message that wants an acknowledgement.

    Args:
        tag: where the events come from.
        entries: `[EventTime, record]` in MessagePack, each.
        chunk: the id to be acknowledged: base64 of 128 random bits.
    """
    parts = list(entries)
    encoded: bytes = msgpack.packb([tag, b"".join(parts), {"size": len(parts), "chunk": chunk}])
    return encoded


def encode_ack(chunk: str) -> bytes:
    """The response that acknowledges a chunk."""
    encoded: bytes = msgpack.packb({"ack": chunk})
    return encoded


def _option(message: list[Any], index: int) -> dict[Any, Any]:
    option = message[index] if len(message) > index else None
    if option is None:
        return {}
    if not isinstance(option, dict):
        raise ProtocolError(f"the option is {type(option).__name__}, not a map")
    return option


def _chunk(option: dict[Any, Any]) -> str | None:
    chunk = option.get("chunk")
    if chunk is not None and not isinstance(chunk, str):
        raise ProtocolError(f"the chunk id is {type(chunk).__name__}, not a string")
    return chunk


def _event(entry: object) -> Event:
    if not isinstance(entry, list) or len(entry) < 2 or not isinstance(entry[1], dict):
        raise ProtocolError("an entry is not [time, record]")
    return Event(_nanoseconds(entry[0]), entry[1])


def _nanoseconds(value: object) -> int:
    """Epoch nanoseconds of an EventTime or of seconds; 0 means now, as it does for Fluentd."""
    found = 0
    if isinstance(value, msgpack.ExtType) and value.code == _EVENT_TIME_TYPE and len(value.data) == _EVENT_TIME.size:
        seconds, fraction = _EVENT_TIME.unpack(value.data)
        found = seconds * _NANOSECONDS + fraction
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LATEST // _NANOSECONDS:
        found = int(value * _NANOSECONDS)
    else:
        raise ProtocolError(f"{value!r:.80} is neither an EventTime nor epoch seconds")
    return found or time.time_ns()


def _is_too_much(packed: bytes, limit: int) -> bool:
    """Whether this is a single event with too many values.

    Raises:
        ProtocolError: so many are in several events, which can be sent one by one.
    """
    finder = unpacker(max(limit, 1))
    try:
        if not holds_too_much(packed):
            return False
        finder.feed(packed)
        finder.skip()
    except Exception as error:  # the decoder has no common base for its errors
        raise ProtocolError(f"the entries are not MessagePack: {type(error).__name__} {error}") from error
    if finder.tell() < len(packed):
        raise ProtocolError(f"more than {MOST_VALUES:,} values in one message")
    return True


def _unpack(packed: bytes, limit: int) -> list[Event]:
    stream = unpacker(max(limit, 1))
    events: list[Event] = []
    end = 0
    try:
        stream.feed(packed)
        for entry in stream:
            events.append(_event(entry))
            end = stream.tell()
    except ProtocolError:
        raise
    except Exception as error:  # the decoder has no common base for its errors
        raise ProtocolError(f"the entries are not MessagePack: {type(error).__name__} {error}") from error
    if end != len(packed):
        raise ProtocolError("the last entry is not whole")
    return events


def _decompress(packed: bytes, option: dict[Any, Any], limit: int) -> bytes:
    compressed = option.get("compressed", "text")
    if compressed in (None, "text"):
        return packed
    if compressed != "gzip":
        raise ProtocolError(f"compression {compressed!r:.80} is not known; gzip is")
    content = bytearray()
    try:
        while packed:  # several gzip members may follow one another
            member = zlib.decompressobj(wbits=_GZIP)
            content += member.decompress(packed, limit + 1 - len(content))
            if len(content) > limit or member.unconsumed_tail:
                raise ProtocolError(f"more than {limit} bytes after decompression")
            if not member.eof:
                raise ProtocolError("the compressed entries are not whole")
            packed = member.unused_data
    except zlib.error as error:
        raise ProtocolError(f"the entries are not gzip: {error}") from error
    return bytes(content)
