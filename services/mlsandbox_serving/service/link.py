"""Requests to another model service, over connections that are kept open.

What goes wrong is handed on as a value and not raised, as everywhere on the path of requests (ADR 0021): a traceback would keep bodies.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast

import httptools

_SMALL: Final = 65_536
"""Bytes of a body that is written in one piece with its head."""
_MOST_HEAD: Final = 65_536
"""Bytes of an answer's head; the parser takes longer for each further one."""
_MOST_HEADERS: Final = 200
"""Of an answer, with those behind its body."""
_MOST_PARTS: Final = 8_192
"""Of an answer's body, as they come: a service sends it in a few, one that sends each byte by itself would take the loop's time."""
_MOST_INTERIM: Final = 8
"""Answers of 1xx before the one that is meant."""
_SLICE: Final = 16_384
"""Bytes that are parsed before it is looked whether it has been too much."""
_TURN: Final = 131_072
"""Bytes that are read of a connection before the loop sees to others."""
_RESTS_SECONDS: Final = 4.0
"""So long a connection may have been idle to be used again: services close theirs after five, maybe just as a request is sent."""


class Trouble(StrEnum):
    """Why there is no answer."""

    FAILED = "failed"
    """It does not take connections, breaks them, or answers what is no HTTP, too much of it, or no answer to what it was asked."""
    TIMEOUT = "timeout"


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    """Names in small letters; of repeated ones the first."""
    body: bytes


Belongs = Callable[[Reply], bool]


class _Terms(NamedTuple):
    until: float
    most: int
    belongs: Belongs


class Link:
    """The way to one service. Used in the event loop's thread.

    Args:
        host: where it answers.
        port: likewise.
        idle: connections that are kept open while nothing is asked.
        held: bytes of all answers that are being read.
    """

    def __init__(self, host: str, port: int, *, idle: int, held: int) -> None:
        self._host = host
        self._port = port
        self._most_idle = idle
        self._room = Room(held)
        self._idle: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._closed = False

    async def ask(self, head: bytes, body: bytes, *, seconds: float, most: int, belongs: Belongs) -> Reply | Trouble:
        """The answer to a request.

        Args:
            head: of the request, with its empty line.
            body: of it.
            seconds: after which it is given up.
            most: bytes that the answer may have, its head included.
            belongs: whether an answer is one to this request; one that is not ends its connection.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        connection = self._rested(loop.time() - _RESTS_SECONDS)
        if connection is None:
            opened = await self._connect(until)
            if isinstance(opened, Trouble):
                return opened
            connection = opened
        return await self._asked(connection, head, body, _Terms(until, most, belongs))

    def _rested(self, since: float) -> _Connection | None:
        """A connection that waits for a request since then, and is open as far as is known; what is sent on it is never sent again."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_free and connection.idle_since >= since:
                return connection
            connection.end(Trouble.FAILED)
        return None

    def close(self) -> None:
        """Give up what is asked, and close all connections."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._open):
            connection.end(Trouble.FAILED)

    async def _asked(self, connection: _Connection, head: bytes, body: bytes, terms: _Terms) -> Reply | Trouble:
        answer = connection.ask(head, body, terms.most)
        timer = asyncio.get_running_loop().call_at(terms.until, connection.end, Trouble.TIMEOUT)
        try:
            outcome = await answer
        finally:
            timer.cancel()
            if not answer.done() or answer.cancelled():
                connection.end(Trouble.FAILED)
        if isinstance(outcome, Reply) and not terms.belongs(outcome):
            connection.end(Trouble.FAILED)
            return Trouble.FAILED
        if connection.is_free and not self._closed and len(self._idle) < self._most_idle:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.end(Trouble.FAILED)
        return outcome

    async def _connect(self, until: float) -> _Connection | Trouble:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until):
                _, connection = await loop.create_connection(lambda: _Connection(self._open, self._room), self._host, self._port)
        except TimeoutError:
            return Trouble.TIMEOUT
        except (OSError, UnicodeError):  # no host has such a name
            return Trouble.FAILED
        if self._closed:
            connection.end(Trouble.FAILED)
            return Trouble.FAILED
        return connection


class Room:
    """Bytes that all answers of a link may take while they are read.

    Args:
        most: of them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> bool:
        """Whether there is room for so many more, which are held then."""
        if self.held + size > self._most:
            return False
        self.held += size
        return True


class _Connection(asyncio.Protocol):
    """One connection, with at most one request on it.

    Args:
        opened: holds all of them as long as they are open.
        room: for what is read.
    """

    def __init__(self, opened: set[_Connection], room: Room) -> None:
        self.idle_since = 0.0
        self._opened = opened
        self._room = room
        self._transport: asyncio.Transport
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply | Trouble] | None = None
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._left = 0
        self._head = 0
        """Bytes that the head which is being parsed can have."""
        self._in_head = True
        self._interim = 0
        self._fields = 0
        self._held = 0
        """Bytes of the answer that is being read."""
        self._turn = 0
        """Bytes that were read since the loop saw to others."""
        self._keeps = False
        self._over = False

    @property
    def is_free(self) -> bool:
        """Whether it may be asked something else."""
        return self._keeps and not self._over and not self._transport.is_closing()

    def ask(self, head: bytes, body: bytes, most: int) -> asyncio.Future[Reply | Trouble]:
        """Send a request; what becomes of it."""
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._left = most
        self._head = self._interim = self._fields = 0
        self._keeps = False
        if self._over or self._transport.is_closing():
            self._tell(Trouble.FAILED)
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
        self._tell(Trouble.FAILED)

    def data_received(self, data: bytes) -> None:
        """Called by the loop; nothing is read while nothing is asked."""
        self._left -= len(data)
        if self._answer is None or self._left < 0 or not self._room.take(len(data)):
            self.end(Trouble.FAILED)
            return
        self._held += len(data)
        for start in range(0, len(data), _SLICE):
            if not self._fed(data[start : start + _SLICE]):
                return
        self._turn += len(data)
        if self._turn >= _TURN:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _fed(self, piece: bytes) -> bool:
        """Parse it; whether the connection is open still."""
        self._head += len(piece)
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end(Trouble.FAILED)
        if self._is_too_much:
            self.end(Trouble.FAILED)
        return not self._over

    @property
    def _is_too_much(self) -> bool:
        return (
            (self._in_head and self._head > _MOST_HEAD)
            or self._fields > _MOST_HEADERS
            or len(self._parts) > _MOST_PARTS
            or self._interim > _MOST_INTERIM
        )

    def _go_on(self) -> None:
        self._turn = 0
        if not self._over and not self._transport.is_closing():
            self._transport.resume_reading()

    def on_message_begin(self) -> None:
        """Called by the parser; also for what comes behind the answer, which nobody asked for."""
        if self._answer is None:
            self._over = True
        self._headers, self._parts = {}, []
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser; also for what comes behind a body, which is none of the head's."""
        self._fields += 1
        if self._in_head:
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
            self._interim += 1
            return
        too_much = self._over or self._is_too_much
        parts, self._parts = self._parts, []
        self._keeps = self._parser.should_keep_alive() and not too_much
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._tell(Trouble.FAILED if too_much else Reply(status, self._headers, body))

    def _tell(self, outcome: Reply | Trouble) -> None:
        self._let_go()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    def _let_go(self) -> None:
        self._room.held -= self._held
        self._held = 0
