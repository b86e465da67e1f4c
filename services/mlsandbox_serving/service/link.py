"""Requests to another model service, over connections that are kept open.

What goes wrong is handed on as a value and not raised, as everywhere on the path of requests (ADR 0021): a traceback would keep bodies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast

import httptools

_SMALL: Final = 65_536
"""Bytes of a body that is written in one piece with its head."""
_MOST_HEAD: Final = 65_536
"""Bytes of an answer's head; the parser takes longer for each further one."""


class Trouble(StrEnum):
    """Why there is no answer."""

    FAILED = "failed"
    """It does not take connections, breaks them, or answers what is no HTTP, or too much of it."""
    TIMEOUT = "timeout"


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    """Names in small letters; of repeated ones the first."""
    body: bytes


class Link:
    """The way to one service. Used in the event loop's thread.

    Args:
        host: where it answers.
        port: likewise.
        idle: connections that are kept open while nothing is asked.
    """

    def __init__(self, host: str, port: int, *, idle: int) -> None:
        self._host = host
        self._port = port
        self._most_idle = idle
        self._idle: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._closed = False

    async def ask(self, head: bytes, body: bytes, *, seconds: float, most: int) -> Reply | Trouble:
        """The answer to a request.

        Args:
            head: of the request, with its empty line.
            body: of it.
            seconds: after which it is given up.
            most: bytes that the answer may have, its head included.
        """
        until = asyncio.get_running_loop().time() + seconds
        while self._idle:
            connection = self._idle.pop()
            outcome = await self._asked(connection, head, body, until, most)
            if outcome is not None:
                return outcome
            # It was closed while nobody looked: that says nothing about the service.
        opened = await self._connect(until)
        if isinstance(opened, Trouble):
            return opened
        return await self._asked(opened, head, body, until, most) or Trouble.FAILED

    def close(self) -> None:
        """Give up what is asked, and close all connections."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._open):
            connection.end(Trouble.FAILED)

    async def _asked(self, connection: _Connection, head: bytes, body: bytes, until: float, most: int) -> Reply | Trouble | None:
        """None when the connection was closed before anything of an answer came."""
        answer = connection.ask(head, body, most)
        timer = asyncio.get_running_loop().call_at(until, connection.end, Trouble.TIMEOUT)
        try:
            outcome = await answer
        finally:
            timer.cancel()
            if not answer.done() or answer.cancelled():
                connection.end(Trouble.FAILED)
        if connection.is_free and not self._closed and len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.end(Trouble.FAILED)
        return outcome

    async def _connect(self, until: float) -> _Connection | Trouble:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until):
                _, connection = await loop.create_connection(lambda: _Connection(self._open), self._host, self._port)
        except TimeoutError:
            return Trouble.TIMEOUT
        except (OSError, UnicodeError):  # no host has such a name
            return Trouble.FAILED
        if self._closed:
            connection.end(Trouble.FAILED)
            return Trouble.FAILED
        return connection


class _Connection(asyncio.Protocol):
    """One connection, with at most one request on it.

    Args:
        opened: holds all of them as long as they are open.
    """

    def __init__(self, opened: set[_Connection]) -> None:
        self._opened = opened
        self._transport: asyncio.Transport
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply | Trouble | None] | None = None
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._left = 0
        self._head = 0
        """Bytes that the head which is being parsed can have."""
        self._in_head = True
        self._begun = False
        self._keeps = False
        self._over = False

    @property
    def is_free(self) -> bool:
        """Whether it may be asked something else."""
        return self._keeps and not self._over

    def ask(self, head: bytes, body: bytes, most: int) -> asyncio.Future[Reply | Trouble | None]:
        """Send a request; what becomes of it, None when the connection is gone before anything came."""
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._left = most
        self._head = 0
        self._begun = self._keeps = False
        if self._over or self._transport.is_closing():
            self._tell(None)
        elif len(body) <= _SMALL:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return answer

    def end(self, why: Trouble) -> None:
        """Close it, whatever is asked."""
        self._tell(why)
        self._over = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by the loop."""
        self._over = True
        self._opened.discard(self)
        self._tell(Trouble.FAILED if self._begun else None)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._begun = True
        self._left -= len(data)
        self._head += len(data)
        if self._answer is None or self._left < 0:
            self.end(Trouble.FAILED)
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end(Trouble.FAILED)
        if self._in_head and self._head > _MOST_HEAD:
            self.end(Trouble.FAILED)

    def on_message_begin(self) -> None:
        """Called by the parser; also for what comes behind the answer, which nobody asked for."""
        if self._answer is None:
            self._over = True
        self._headers, self._parts = {}, []
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._in_head = False

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status: int = self._parser.get_status_code()
        if status < 200:  # the answer itself comes behind it (RFC 9110, section 15.2)
            return
        parts, self._parts = self._parts, []
        self._keeps = self._parser.should_keep_alive()
        self._tell(Reply(status, self._headers, parts[0] if len(parts) == 1 else b"".join(parts)))

    def _tell(self, outcome: Reply | Trouble | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(outcome)
