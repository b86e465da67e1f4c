"""uvicorn's HTTP protocol with the deadlines and bounds that it lacks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from mlsandbox_serving.contract import ErrorCode, Route
from mlsandbox_serving.service.guard import Guard, Limits, Told, too_many
from mlsandbox_serving.service.refusal import RequestRefused
from mlsandbox_serving.service.rehearsal import missing
from mlsandbox_serving.service.sockets import most_connections
from mlsandbox_serving.service.upgrade import without_offer

_log = logging.getLogger(__name__)
_PROBES: Final = frozenset(route.encode() for route in (Route.LIVE, Route.READY, Route.METRICS, Route.V2_LIVE, Route.V2_READY))
"""What is asked of a service that is overloaded: answered on a connection too many as well."""


class _Stop(Exception):
    """Ends the parser's work on a connection."""


class HttptoolsGuard(Guard):
    """The same before uvicorn's protocol of httptools, whose parser bounds nothing and loses the body beside an `Upgrade`."""

    needs: ClassVar[tuple[str, ...]] = (
        *Guard.needs,
        "on_message_begin",
        "on_headers_complete",
        "on_message_complete",
        "on_response_complete",
        "_should_upgrade",
        "_unset_keepalive_if_required",
        "parser.feed_data",
        "parser.get_http_version",
        "parser.get_method",
        "parser.set_dangerous_leniencies",
        "pipeline.popleft",
        "flow.pause_reading",
        "flow.resume_reading",
        "flow.read_paused",
        "url",
        "headers",
        "cycle.keep_alive",
        "cycle.more_body",
        "cycle.disconnected",
        "cycle.message_event.set",
    )

    # Of uvicorn's HttpToolsProtocol.
    parser: Any
    pipeline: deque[Any]
    flow: Any
    url: bytes
    headers: list[tuple[bytes, bytes]]

    # Raised by its parser.
    faulty: type[Exception]
    upgraded: type[Exception]

    reads_heads = True
    can_be_handed_on = True

    is_over: bool = False
    """Whether it came when there were as many as may ask anything, and there are still."""
    running: Any = None
    """The request whose answer is the next one; `cycle` is the last that came."""
    _head_bytes: int = 0
    _at_most: int = 0
    """Bytes that the head which is being parsed can have."""
    _fault: RequestRefused | None = None
    """What the parser was stopped for."""
    _done: bool = False
    """Nothing more is read: the connection ends with the last answer."""
    _in_message: bool = False
    """Whether the parser is between the first byte of a request and its last."""
    _is_parsing: bool = False
    """Whether there may be more in what came than the parser has seen."""
    _is_held_back: bool = False
    """Whether it would be read if it were not to be handed on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `Guard`."""
        super().connection_made(transport)
        self.is_over = self._are_many
        if self.front is not None:
            resume = self.flow.resume_reading

            def resume_reading() -> None:  # uvicorn does so behind each answer, and whenever an application waits for more
                if self._is_leaving:
                    self._is_held_back = True
                else:
                    resume()

            self.flow.resume_reading = resume_reading

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody write to it any more, since uvloop raises then: uvicorn itself tells the last request alone."""
        _give_up(self.running)
        super().connection_lost(exc)

    def refuse(self, refused: RequestRefused) -> None:
        """End the connection: with an error, or without one behind what came whole before it and has no answer yet."""
        cycle = self.cycle
        if self.pipeline and cycle.more_body:  # what cannot be read is the body of a request that waits
            self.pipeline.popleft()
            cycle = self.cycle = self.pipeline[0][0] if self.pipeline else self.running
        if cycle is None or cycle.response_complete or cycle.more_body:
            super().refuse(refused)
            _give_up(cycle)
        else:
            cycle.keep_alive = False
            self._done = True

    @property
    def waits_for_nothing(self) -> bool:
        """See `Guard`."""
        cycle = self.cycle
        if self._in_message or self._is_parsing or self._done or self.pipeline or self.transport.is_closing():
            return False
        return (cycle is None or (cycle.response_complete and not cycle.more_body)) and not self.transport.get_write_buffer_size()

    def hold_back(self) -> None:
        """See `Guard`. What was begun is read to its end: nobody else could."""
        if self.front is None or self.transport.is_closing():
            return
        if not self._is_leaving:
            if self._is_held_back:
                self._is_held_back = False
                self.flow.resume_reading()
        elif not self.flow.read_paused:
            self._is_held_back = True
            self.flow.pause_reading()

    @property
    def _is_leaving(self) -> bool:
        return bool(self.front.yields) and not self._in_message

    def data_received(self, data: bytes) -> None:
        """Parse what came, as uvicorn does, and count the bytes of a head."""
        if self._done:
            return
        self._is_parsing = True
        try:
            self._parse(data)
        finally:
            self._is_parsing = False
        if self.front is not None and self.front.yields:  # what has its answer got it while it was read
            self.front.leave(self)
            self.hold_back()

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()  # type: ignore[attr-defined] # uvicorn's, which comes behind this class
        while True:
            cycle = self.cycle
            in_head = cycle is None or not cycle.more_body
            self._at_most = self._head_bytes + len(data)
            try:
                self.parser.feed_data(data)
            except self.upgraded as upgrade:
                method = self.parser.get_method()
                if method == b"CONNECT":
                    self.send_400_response("")
                    return
                head = without_offer(method, self.url, self.parser.get_http_version().encode(), self.headers)
                data = head + data[upgrade.args[0] :]
                self._head_bytes = 0
                self.parser = type(self.parser)(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            except self.faulty:
                self.refuse(self._fault) if self._fault is not None else self.send_400_response("")
                return
            else:
                break
        if not in_head or self.cycle is not cycle:
            self._head_bytes = 0
        elif self._at_most > self.limits.head_bytes:
            self.refuse(_too_large(self.limits))
        else:
            self._head_bytes = self._at_most

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a request."""
        self._in_message = True
        super().on_message_begin()  # type: ignore[misc] # uvicorn's, which comes behind this class

    def on_headers_complete(self) -> None:
        """Bound the head, and what waits, before the application hears of it."""
        if self.transport.is_closing() or len(self.pipeline) >= self.limits.ahead:
            raise _Stop
        if len(self.headers) > self.limits.headers or (self._at_most > self.limits.head_bytes and self._size > self.limits.head_bytes):
            self._fault = _too_large(self.limits)
            raise _Stop
        self.is_over = self.is_over and self._are_many
        if self.is_over and self.url.partition(b"?")[0] not in _PROBES:
            self._fault = too_many()
            raise _Stop
        super().on_headers_complete()  # type: ignore[misc] # uvicorn's, as above
        if not self.pipeline:
            self.running = self.cycle

    def on_message_complete(self) -> None:
        """Also of a request that was answered before its end, which uvicorn then does not note: a head comes next."""
        self._in_message = False
        super().on_message_complete()  # type: ignore[misc] # as above
        if self.cycle is not None:
            self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Called after each answer."""
        if self.pipeline:
            self.running = self.pipeline[-1][0]
        super().on_response_complete()  # type: ignore[misc] # as above
        if self.front is not None and self.front.yields:
            self.front.leave(self)
            self.hold_back()

    def _should_upgrade(self) -> bool:
        """Asked by uvicorn when the parser has met an `Upgrade`: then it does not handle the request, and `data_received` does."""
        return True

    @property
    def _are_many(self) -> bool:
        return len(self.server_state.connections) > self.limits.connections

    @property
    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def _give_up(cycle: Any) -> None:
    """Let the application know that its client is gone."""
    if cycle is not None and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


def _too_large(limits: Limits) -> RequestRefused:
    message = f"the headers are larger than {limits.head_bytes} bytes, or more than {limits.headers}: send what is asked in the body"
    return RequestRefused(431, ErrorCode.HEADERS_TOO_LARGE, message)


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
        Whether it does: a uvicorn that is not as the guards need it keeps its own protocol, and a warning says so.
    """
    try:
        from uvicorn import __version__ as version  # noqa: PLC0415 - there in a worker only
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
    guards: list[type[Guard]] = [Guard]
    if hasattr(AutoHTTPProtocol, "on_headers_complete"):
        import httptools  # noqa: PLC0415 - as above

        guards = [over_httptools] if over_httptools is HttptoolsGuard else [over_httptools, HttptoolsGuard]
        shared |= {"faulty": httptools.HttpParserError, "upgraded": httptools.HttpParserUpgrade}
    for guard in guards:
        lacking = missing(AutoHTTPProtocol, guard.needs)
        if lacking is None:
            table["auto"] = type("GuardedProtocol", (guard, AutoHTTPProtocol), shared)
            return True
        _log.warning("connections go without what %s does: uvicorn %s is not as it has to be: %s", guard.__name__, version, lacking)
    return False
