"""uvicorn's HTTP protocol with the deadlines and bounds that it lacks: one sweep a second over the connections, no timer per request.

What uvicorn itself closes is left to it: a connection that stays idle after an answer (`timeout_keep_alive`, 5 s under BentoML).
How long a request's body may take is up to the application.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import msgspec

from mlsandbox_serving.contract import ErrorCode, Header, Route
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.sockets import most_connections, watch

_log = logging.getLogger(__name__)
_LINGER_SECONDS: Final = 0.05
"""A request that is on its way when the server stops is still read."""
_LEAST_READ: Final = 65_536
"""A client that takes fewer bytes of its answer within a timeout does not read it."""
_PHRASES: Final = {400: b"Bad Request", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}
_PROBES: Final = frozenset(route.encode() for route in (Route.LIVE, Route.READY, Route.METRICS, Route.V2_LIVE, Route.V2_READY))
"""What is asked of a service that is overloaded: answered on a connection too many as well."""
_NOT_OURS: Final = frozenset({b"upgrade", b"http2-settings"})

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


class _Refused(Exception):
    """Ends the parser's work on a connection."""


class _Sweep:
    """Looks at all connections of one server, as long as there are any."""

    def __init__(self, connections: Iterable[Any], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._connections = connections
        self._loop = loop
        self._seconds = seconds
        self._running = False

    def ensure(self) -> None:
        if not self._running:
            self._running = True
            self._loop.call_later(self._seconds, self._run)

    def _run(self) -> None:
        now = self._loop.time()
        some = False
        for connection in list(self._connections):
            if isinstance(connection, Guard):
                some = True
                connection.check(now)
        self._running = some
        if some:
            self._loop.call_later(self._seconds, self._run)


class Guard(asyncio.Protocol):
    """Goes before one of uvicorn's HTTP protocol classes, whose attributes it reads."""

    limits: Limits
    sweeps: WeakKeyDictionary[Any, _Sweep]

    # Of uvicorn's protocols.
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    server_state: Any
    cycle: Any
    timeout_keep_alive_task: asyncio.TimerHandle | None

    reads_heads = False
    """Whether a request can be refused by its head; otherwise its connection is."""

    _head_since: float | None = None
    _head_after: Any = None
    _unread_since: float | None = None
    _unread: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse it when there are too many, and let the system notice when its other end is gone."""
        super().connection_made(transport)
        connections = self.server_state.connections
        if len(connections) > (self.limits.most if self.reads_heads else self.limits.connections):
            self.refuse(_too_many())
            return
        sweep = self.sweeps.get(self.server_state)
        if sweep is None:
            sweep = self.sweeps[self.server_state] = _Sweep(connections, self.loop, self.limits.sweep_seconds)
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
        cycle = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            request_id = uuid.uuid4().hex
            self.transport.write(_answer(refused, request_id))
            if self.limits.told is not None:
                self.limits.told(refused, request_id)
        self.transport.close()

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


class HttptoolsGuard(Guard):
    """The same before uvicorn's protocol of httptools, whose parser bounds nothing and loses the body beside an `Upgrade`."""

    # Of uvicorn's HttpToolsProtocol.
    parser: Any
    pipeline: deque[Any]
    scope: dict[str, Any]
    url: bytes
    headers: list[tuple[bytes, bytes]]

    # Raised by its parser.
    faulty: type[Exception]
    upgraded: type[Exception]

    reads_heads = True

    _head_bytes: int = 0
    _at_most: int = 0
    """Bytes that the head which is being parsed can have."""
    _earlier: deque[Any]
    """Requests before the last one that had no answer when the next came, in their order; uvicorn itself remembers the last alone."""
    _fault: RequestRefused | None = None
    """What the parser was stopped for."""
    is_over: bool = False
    """Whether it came when there were as many as may ask anything, and there are still."""
    _refused: RequestRefused | None = None
    """To be answered after the requests before it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `Guard`."""
        self._earlier = deque()
        super().connection_made(transport)
        self.is_over = self._are_many

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody write to it any more: uvloop raises then."""
        self._abandon()
        super().connection_lost(exc)

    def refuse(self, refused: RequestRefused) -> None:
        """The same once the requests before it have their answers: they come in order (RFC 9112, section 9.3.2)."""
        if self._refused is None and self._is_behind:
            self._refused = refused
        else:
            super().refuse(refused)
            self._abandon()

    def on_response_complete(self) -> None:
        """Called by uvicorn after each answer."""
        if self._refused is not None and not self._is_behind and not self.transport.is_closing():
            self.pipeline.clear()
            self.refuse(self._refused)
        super().on_response_complete()  # type: ignore[misc] # uvicorn's, which is between this class and asyncio's

    @property
    def _is_behind(self) -> bool:
        """Whether a request that came whole has no answer yet."""
        return any(not cycle.more_body for cycle in self._unanswered)

    @property
    def _unanswered(self) -> list[Any]:
        return [cycle for cycle in (*self._earlier, self.cycle) if cycle is not None and not cycle.response_complete]

    def _abandon(self) -> None:
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse what came, as uvicorn does, and count the bytes of a head."""
        if self._refused is not None:
            return  # what follows something that is no HTTP is nothing
        cycle = self.cycle
        in_head = cycle is None or not cycle.more_body
        self._at_most = self._head_bytes + len(data)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        try:
            self.parser.feed_data(data)
        except self.upgraded as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except self.faulty:
            self.refuse(self._fault) if self._fault is not None else self.send_400_response("")
            return
        if not in_head or self.cycle is not cycle:
            self._head_bytes = 0
        elif self._at_most > self.limits.head_bytes:
            self.refuse(_too_large(self.limits))
        else:
            self._head_bytes = self._at_most

    def on_headers_complete(self) -> None:
        """Bound the head before the application hears of it."""
        if len(self.headers) > self.limits.headers or (self._at_most > self.limits.head_bytes and self._size > self.limits.head_bytes):
            self._fault = _too_large(self.limits)
            raise _Refused
        self.is_over = self.is_over and self._are_many
        if self.is_over and self.url.partition(b"?")[0] not in _PROBES:
            self._fault = _too_many()
            raise _Refused
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            earlier = self._earlier
            while earlier and earlier[0].response_complete:
                earlier.popleft()
            earlier.append(cycle)
            if len(earlier) > self.limits.ahead:
                message = f"more than {self.limits.ahead} requests wait on this connection for their answers"
                self._fault = RequestRefused(503, ErrorCode.OVERLOADED, message, headers={"retry-after": "1"})
                raise _Refused
        super().on_headers_complete()  # type: ignore[misc] # as above

    def _should_upgrade(self) -> bool:
        """Asked by uvicorn when the parser has met an `Upgrade`: then it does not handle the request, and `data_received` does."""
        return True

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read a request that asks for another protocol as if it did not (RFC 9110, section 7.8), with its body.

        httptools takes such a request to end with its head: its body would be lost, or be read as the next request.
        """
        if self.scope["method"] == "CONNECT":
            self.send_400_response("")
            return
        lines = [b"%b %b HTTP/%b" % (self.scope["method"].encode(), self.url, self.scope["http_version"].encode())]
        for name, value in self.headers:
            if name == b"connection":
                kept = b",".join(token for token in value.split(b",") if token.strip().lower() not in _NOT_OURS)
                lines += [b"connection: %b" % kept] if kept else []
            elif name not in _NOT_OURS:
                lines.append(b"%b: %b" % (name, value))
        self.parser = type(self.parser)(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    @property
    def _are_many(self) -> bool:
        return len(self.server_state.connections) > self.limits.connections

    @property
    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def install(
    timeout: float,
    *,
    connections: int = Limits.connections,
    head_seconds: float = 10.0,
    sweep_seconds: float = Limits.sweep_seconds,
    told: Told | None = None,
    over_httptools: type[HttptoolsGuard] = HttptoolsGuard,
) -> bool:
    """Let the uvicorn server that this process starts next use the guarded protocol.

    Args:
        timeout: seconds for one request.
        connections: open at once that may ask anything; as many again may only ask how the service is. Fewer where the process may not
            open as many files.
        head_seconds: for a request's head, at most `timeout`.
        sweep_seconds: from one look at the connections to the next.
        told: of what is refused before it is a request.
        over_httptools: goes before uvicorn's protocol of httptools, where that is the one.

    Returns:
        Whether it does: a uvicorn without the table of protocols keeps its own, and a warning says so.
    """
    try:
        from uvicorn import config  # noqa: PLC0415 - there in a worker only
        from uvicorn.protocols.http.auto import AutoHTTPProtocol  # noqa: PLC0415 - as above

        table: dict[str, Any] = config.HTTP_PROTOCOLS
        if "auto" not in table:
            raise LookupError("auto")  # noqa: TRY301 - as when the table itself is gone
    except (ImportError, AttributeError, LookupError) as error:
        _log.warning("connections have no deadlines of ours: this uvicorn has no protocols to choose from (%r)", error)
        return False
    most = most_connections()
    limits = Limits(
        timeout,
        min(head_seconds, timeout),
        connections=min(connections, most),
        most=min(2 * connections, most),
        sweep_seconds=sweep_seconds,
        told=told,
    )
    shared: dict[str, Any] = {"limits": limits, "sweeps": WeakKeyDictionary()}
    guard: type[Guard] = Guard
    if hasattr(AutoHTTPProtocol, "on_headers_complete"):
        import httptools  # noqa: PLC0415 - as above

        guard = over_httptools
        shared |= {"faulty": httptools.HttpParserError, "upgraded": httptools.HttpParserUpgrade}
    table["auto"] = type("GuardedProtocol", (guard, AutoHTTPProtocol), shared)
    return True


def _too_large(limits: Limits) -> RequestRefused:
    message = f"the headers are larger than {limits.head_bytes} bytes, or more than {limits.headers}: send what is asked in the body"
    return RequestRefused(431, ErrorCode.HEADERS_TOO_LARGE, message)


def _too_many() -> RequestRefused:
    return RequestRefused(503, ErrorCode.OVERLOADED, "too many connections are open", headers={"retry-after": "1"})


def _answer(refused: RequestRefused, request_id: str) -> bytes:
    body = msgspec.json.encode(refused.body(request_id))
    fields = {"content-type": "application/json", "content-length": str(len(body)), Header.REQUEST_ID: request_id}
    fields |= {**refused.headers, "connection": "close"}
    head = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields.items())
    status = refused.failure.status
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, _PHRASES[status], head, body)
