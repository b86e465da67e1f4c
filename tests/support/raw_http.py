"""HTTP over plain sockets: bytes out, and what came back read as strictly as RFC 9112 has it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [\t -~]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_CHUNK = re.compile(rb"[0-9a-fA-F]{1,8}")


class Malformed(AssertionError):
    """What came is no HTTP."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether it says that the connection is closed after it."""
        return self.headers.get("connection", "").lower() == "close"


async def read_answer(reader: asyncio.StreamReader, method: bytes) -> Raw | None:
    """The next answer that is not a 1xx; None when the connection is closed before it begins.

    Raises:
        Malformed: it is cut off, or no answer.
    """
    while True:
        line = await _line(reader, first=True)
        if line is None:
            return None
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise Malformed(f"no status line: {line[:200]!r}")
        status = int(match[1])
        headers = await _headers(reader)
        if status >= 200:
            return Raw(status, headers, await _body(reader, status, headers, method))


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := await _line(reader):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Malformed(f"no header: {line[:200]!r}")
        name = field[1].decode().lower()
        if name in headers:
            raise Malformed(f"{name} came twice")
        headers[name] = field[2].decode("latin-1")
    return headers


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str], method: bytes) -> bytes:
    if method == b"HEAD" or status in {204, 304}:
        return b""
    length = headers.get("content-length")
    if headers.get("transfer-encoding") == "chunked" and length is None:
        return await _chunks(reader)
    if length is None or not length.isdecimal():
        raise Malformed(f"a body of unknown length: {headers}")
    return await _exactly(reader, int(length))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        size = await _line(reader)
        if size is None or _CHUNK.fullmatch(size) is None:
            raise Malformed(f"no size of a chunk: {size!r}")
        part = await _exactly(reader, int(size, 16))
        if await _line(reader) != b"":
            raise Malformed("a chunk does not end where it says")
        if not part:
            return b"".join(parts)
        parts.append(part)


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as cut:
        raise Malformed(f"cut off after {len(cut.partial)} of {size} bytes") from None


async def _line(reader: asyncio.StreamReader, *, first: bool = False) -> bytes | None:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except asyncio.IncompleteReadError as cut:
        if first and not cut.partial:
            return None
        raise Malformed(f"cut off within a head: {cut.partial[:200]!r}") from None
    except asyncio.LimitOverrunError:
        raise Malformed("an endless line") from None


def chunked(body: bytes, sizes: Sequence[int]) -> bytes:
    """The body in chunks of these sizes, and the rest in one."""
    parts: list[bytes] = []
    place = 0
    for size in (*sizes, len(body)):
        part = body[place : place + size]
        place += len(part)
        if part:
            parts.append(b"%x\r\n%b\r\n" % (len(part), part))
    return b"".join([*parts, b"0\r\n\r\n"])
