"""The messages of an Arrow stream, measured before Arrow's own library reads them.

That library allocates what a stream announces, and joins what it has not checked yet: a small body may ask for gigabytes. So the few
numbers that matter are read here, bounds checked: rows, sizes of buffers as they are after decompression, kinds of messages.
Source: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc, the FlatBuffers schemas
Message.fbs and Schema.fbs beside it, and https://flatbuffers.dev/internals/ for how tables lie in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_CONTINUATION: Final = 0xFFFFFFFF
_SCHEMA: Final = 1
_DICTIONARY: Final = 2
_BATCH: Final = 3
_MOST_MESSAGES: Final = 1_024
_NOT_COMPRESSED: Final = -1
_EXTENSION: Final = b"ARROW:extension:name"


class StreamMalformed(ValueError):
    """The bytes are not an Arrow stream that is read here; the text says why."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream announces.

    Args:
        schema_end: its first so many bytes are the schema's message.
        rows: of each record batch.
        size: bytes of all buffers together, after decompression.
        extended: whether a column has an extension type.
    """

    schema_end: int
    rows: tuple[int, ...]
    size: int
    extended: bool


def measure(body: bytes) -> Stream:
    """Walk over the messages.

    Raises:
        StreamMalformed: it is none, is cut off, or holds what is not taken.
    """
    messages = _messages(body)
    schema = next(messages, None)
    if schema is None or schema.kind != _SCHEMA:
        raise StreamMalformed("it does not begin with a schema")
    if schema.header.number(0, "<h", 0) != 0:
        raise StreamMalformed("it is in big-endian byte order; only little-endian is read")
    rows: list[int] = []
    size = 0
    for message in messages:
        batch = message.header
        if message.kind == _DICTIONARY:
            if batch.number(2, "<?", 0):
                raise StreamMalformed("it holds a dictionary in pieces (a delta): write every dictionary whole")
            inner = batch.table(1)
            if inner is None:
                raise StreamMalformed("a dictionary has no values")
            batch = inner
        elif message.kind == _BATCH:
            rows.append(_not_negative(batch.number(0, "<q", 0)))
        else:
            raise StreamMalformed("it holds messages other than dictionaries and record batches")
        size += _size(batch, body, message.start, message.end)
    return Stream(schema.end, tuple(rows), size, _EXTENSION in body[: schema.end])


class _Table:
    """A FlatBuffers table: an offset to its vtable, which holds the places of its fields."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._vtable = place - _read(data, "<i", place)
        self._slots = (_read(data, "<H", self._vtable) - 4) // 2

    def number(self, slot: int, form: str, default: int) -> int:
        place = self._field(slot)
        return default if place is None else _read(self._data, form, place)

    def table(self, slot: int) -> _Table | None:
        place = self._field(slot)
        return None if place is None else _Table(self._data, place + _read(self._data, "<I", place))

    def structs(self, slot: int) -> Iterator[tuple[int, int]]:
        """A vector of pairs of 64-bit integers."""
        place = self._field(slot)
        if place is None:
            return
        start = place + _read(self._data, "<I", place)
        count = _read(self._data, "<I", start)
        if start + 4 + 16 * count > len(self._data):
            raise StreamMalformed("a message points outside of itself")
        yield from struct.iter_unpack("<qq", self._data[start + 4 : start + 4 + 16 * count])

    def _field(self, slot: int) -> int | None:
        offset = _read(self._data, "<H", self._vtable + 4 + 2 * slot) if slot < self._slots else 0
        return self._place + offset if offset else None


@dataclass(frozen=True, slots=True)
class _Message:
    kind: int
    header: _Table
    start: int
    """Of the body that follows its metadata."""
    end: int


def _messages(body: bytes) -> Iterator[_Message]:
    place = 0
    count = 0
    while place < len(body):
        if _read(body, "<I", place) != _CONTINUATION:
            raise StreamMalformed("it is not in the format of Arrow streams (0.15 or later); files (.arrow, Feather) are another format")
        length = _read(body, "<i", place + 4)
        start = place + 8 + length
        if length == 0:
            if start != len(body):
                raise StreamMalformed("there are bytes after its end")
            return
        count += 1
        if count > _MOST_MESSAGES:
            raise StreamMalformed(f"it holds more than {_MOST_MESSAGES} messages: write fewer, larger record batches")
        if length < 0 or length % 8 or start > len(body):
            raise StreamMalformed("it is cut off, or not aligned to 8 bytes")
        metadata = body[place + 8 : start]
        message = _Table(metadata, _read(metadata, "<I", 0))
        size = message.number(3, "<q", 0)
        header = message.table(2)
        if header is None or size < 0 or size % 8 or start + size > len(body):
            raise StreamMalformed("it is cut off, or not aligned to 8 bytes")
        place = start + size
        yield _Message(message.number(1, "<B", 0), header, start, place)


def _size(batch: _Table, body: bytes, start: int, end: int) -> int:
    """Bytes of a batch's buffers after decompression; each compressed one begins with how many that is."""
    compressed = batch.table(3) is not None
    total = 0
    for offset, length in batch.structs(2):
        if offset < 0 or length < 0 or offset % 8 or start + offset + length > end:
            raise StreamMalformed("a buffer lies outside of its message, or is not aligned to 8 bytes")
        total += length
        if compressed and length:
            if length < 8:
                raise StreamMalformed("a compressed buffer does not say how long it is")
            expanded = _read(body, "<q", start + offset)
            if expanded != _NOT_COMPRESSED:
                total += _not_negative(expanded)
    return total


def _not_negative(number: int) -> int:
    if number < 0:
        raise StreamMalformed("a length is negative")
    return number


def _read(data: bytes, form: str, place: int) -> int:
    if place < 0:
        raise StreamMalformed("a message points outside of itself")
    try:
        number: int = struct.unpack_from(form, data, place)[0]
    except struct.error:
        raise StreamMalformed("it is cut off, or a message points outside of itself") from None
    return number
