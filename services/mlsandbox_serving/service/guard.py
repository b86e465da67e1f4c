"""What uvicorn's HTTP protocols lack: deadlines of heads and of answers that are not read, and a bound on connections.

One sweep a second looks at all connections; no request has a timer. What uvicorn itself closes is left to it: a connection that stays
idle after an answer (`timeout_keep_alive`, 5 s under BentoML). How long a request's body may take is up to the application.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast
from weakref import WeakKeyDictionary

import msgspec

from mlsandbox_serving.contract import ErrorCode, Header
from mlsandbox_serving.record import new_id
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.sockets import watch

_log = logging.getLogger(__name__)
_LINGER_SECONDS: Final = 0.05
"""A request that is on its way when the server stops is still read."""
_LEAST_READ: Final = 65_536
"""A client that takes fewer bytes of its answer within a timeout does not read it."""
_PHRASES: Final = {400: b"Bad Request", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}

Told = Callable[[RequestRefused, str], None]
"""Told of what is refused before it is a request, with its id; in the event loop's thread."""


@dataclass(frozen=True)
class Limits:
    """What one connection, and all of them, may take."""

    timeout: float
    """Seconds after which a client that does not read its answer is cut off."""
    head_seconds: float
    """Seconds for a request's head, from the opening of the connection or the first byte after an answer."""
    head_bytes: int = 65_536
    """Of a request's first line and its headers together."""
    headers: int = 200
    """In one request."""
    ahead: int = 128
    """Requests on one connection that have no answer yet."""
    connections: int = 1_124
    """Open ones of this worker that may ask anything."""
    most: int = 2_248
    """Open ones of this worker. Those past `connections` may ask how it is, and are refused when they ask for more."""
    sweep_seconds: float = 1.0
    """From one look at all connections to the next: deadlines are kept to two of these."""
    told: Told | None = None


class Sweep:
    """Looks at all connections of one server, as long as there are any."""

    def __init__(self, connections: Iterable[Any], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._connections = connections
        self._loop = loop
        self._seconds = seconds
        self._running = False
        self._told = False

    def ensure(self) -> None:
        """A connection is there."""
        if not self._running:
            self._running = True
            self._loop.call_later(self._seconds, self._run)

    def _run(self) -> None:
        guarded = [connection for connection in self._connections if isinstance(connection, Guard)]
        self._running = bool(guarded)
        if guarded:
            self._loop.call_later(self._seconds, self._run)
        now = self._loop.time()
        for connection in guarded:
            try:
                connection.check(now)
            except Exception:  # noqa: BLE001 - the others have deadlines, too
                if not self._told:
                    self._told = True
                    _log.exception("a connection whose deadlines cannot be looked at is cut off; later ones are without a word")
                connection.transport.abort()


class Guard(asyncio.Protocol):
    """Goes before one of uvicorn's HTTP protocol classes, whose attributes it reads."""

    needs: ClassVar[tuple[str, ...]] = (
        "loop",
        "transport",
        "server_state.connections",
        "timeout_keep_alive_task",
        "send_400_response",
        "shutdown",
        "cycle.response_started",
        "cycle.response_complete",
    )
    """What is relied upon of uvicorn's, while a request is read."""
    limits: Limits
    sweeps: WeakKeyDictionary[Any, Sweep]

    # Of uvicorn's protocols.
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    server_state: Any
    cycle: Any
    timeout_keep_alive_task: asyncio.TimerHandle | None

    reads_heads = False
    """Whether a request can be refused by its head; otherwise its connection is."""

    can_be_handed_on = False
    """Whether `waits_for_nothing` is known."""

    front: Any = None
    """Through which it came (`service.front.Front`); None of a connection to the service's own port."""

    was_handed_on = False
    """By another version: it has been let in already."""

    _head_since: float | None = None
    _head_after: Any = None
    _unread_since: float | None = None
    _unread: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse it when there are too many, and let the system notice when its other end is gone."""
        super().connection_made(transport)
        connections = self.server_state.connections
        # One that was handed on may be idle, and its client reads no answer that it did not ask for: its next request is refused.
        if not self.was_handed_on and len(connections) > (self.limits.most if self.reads_heads else self.limits.connections):
            self.refuse(too_many())
            return
        sweep = self.sweeps.get(self.server_state)
        if sweep is None:
            sweep = self.sweeps[self.server_state] = Sweep(connections, self.loop, self.limits.sweep_seconds)
        sweep.ensure()
        watch(transport.get_extra_info("socket"), self.limits.timeout)

    def check(self, now: float) -> None:
        """Close the connection when it is past one of its deadlines. Called once a sweep."""
        self._check_answer(now)
        if self.timeout_keep_alive_task is not None or (self.cycle is not None and not self.cycle.response_complete):
            self._head_since = None
        elif self._head_since is None or self._head_after is not self.cycle:
            self._head_since, self._head_after = now, self.cycle
        elif now - self._head_since >= self.limits.head_seconds:
            self.transport.close()

    def shutdown(self) -> None:
        """The server stops: answer what is asked, also what is just arriving, and close."""
        if self._is_idle:
            self.loop.call_later(_LINGER_SECONDS, self._end)
        else:
            self._end()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; uvicorn's own answer is plain text."""
        del msg
        self.refuse(RequestRefused(400, ErrorCode.BAD_REQUEST, "this is not a request as HTTP/1.1 has it (RFC 9112)"))

    def refuse(self, refused: RequestRefused) -> None:
        """Answer with an error and close the connection; within an answer that has begun nothing can be said."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            request_id = new_id()
            self.transport.write(_answer(refused, request_id))
            if self.limits.told is not None:
                self.limits.told(refused, request_id)
        self.transport.close()

    @property
    def waits_for_nothing(self) -> bool:
        """Whether nothing was read of a request that has no answer, and every answer is with the system."""
        return False

    def hold_back(self) -> None:
        """Called when it is to be handed on, and when that is over: read nothing that whoever has it next can read."""

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _end(self) -> None:
        if not self.transport.is_closing():
            cast("Any", super()).shutdown()

    def _check_answer(self, now: float) -> None:
        """Also of a connection that is being closed: it is closed once all is read, which may be never."""
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._unread_since = None
        elif self._unread_since is None or unread > self._unread:
            self._unread_since, self._unread = now, unread
        elif now - self._unread_since >= self.limits.timeout:
            if self._unread - unread < min(_LEAST_READ, self._unread):
                self.transport.abort()
            self._unread_since, self._unread = now, unread


def too_many() -> RequestRefused:
    """There are more connections than may ask anything."""
    return RequestRefused(503, ErrorCode.OVERLOADED, "too many connections are open", headers={"retry-after": "1"})


def _answer(refused: RequestRefused, request_id: str) -> bytes:
    body = msgspec.json.encode(refused.body(request_id))
    fields = {"content-type": "application/json", "content-length": str(len(body)), Header.REQUEST_ID: request_id}
    fields |= {**refused.headers, "connection": "close"}
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields.items())
    status = refused.failure.status
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, _PHRASES[status], head, body)
