"""Predictions with a small body, answered from the parser's callbacks: without an ASGI scope, a task and two messages for each.

A request is taken here when there is nothing unusual about it: `POST /predict` in HTTP/1.1 with a length of at most 32 KiB, nothing
unanswered before it on its connection, nothing to be said before its body, and a model that can be asked. Everything else goes uvicorn's
way to the application. Where it is taken, uvicorn sees it as the connection's cycle, and so keeps its order, its end and the drain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol

from mlsandbox_serving.contract import ErrorCode, Route
from mlsandbox_serving.service.exchange import SMALL_BODY, Answer, Request, announced_length, known_headers
from mlsandbox_serving.service.protocol import HttptoolsGuard
from mlsandbox_serving.service.refusal import RequestRefused

_URL: Final = Route.PREDICT.encode()
_STATUS: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


Release = Callable[[], None]
"""Called once, when an answer is with its client's system, or its client is gone: until then it takes memory here."""
SendAnswer = Callable[[Answer, Release], None]


class Taker(Protocol):
    """Where requests are taken; app.App."""

    @property
    def takes_express(self) -> bool:
        """Whether the model can be asked."""

    def began(self, headers: Mapping[str, str]) -> Request:
        """A request whose head is there."""

    def express(self, request: Request, body: bytes, send: SendAnswer) -> None:
        """Answer it, now or later, in the event loop's thread; never raises."""

    def refuse(self, request: Request, refused: RequestRefused, send: SendAnswer) -> None:
        """Answer it with an error."""

    def hung_up(self, request: Request) -> None:
        """Its client is gone before its body was there."""

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        """The headers of its answer."""


class Express(HttptoolsGuard):
    """Takes what is plain, and leaves the rest to uvicorn's protocol behind it."""

    needs: ClassVar[tuple[str, ...]] = (
        *HttptoolsGuard.needs,
        "flow.write_paused",
        "parser.should_keep_alive",
        "parser.should_upgrade",
        "resume_writing",
        "server_state.default_headers",
        "cycle.body",
    )
    taker: Taker

    # Of uvicorn's protocol.
    flow: Any

    _held: Iterable[Release] = ()
    """For answers that are not read yet."""

    _defaults: tuple[Any, bytes] = (None, b"")
    """uvicorn's own headers, as it has them and as they are sent; the date is another one each second."""

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self.timeout_keep_alive_task is not None:  # what came before it in the same bytes has its answer already
            self._unset_keepalive_if_required()  # type: ignore[attr-defined] # uvicorn's, which comes behind this class
        cycle = self.cycle
        if self.url == _URL and not self.is_over and (cycle is None or cycle.response_complete) and self._at_most <= self.limits.head_bytes:
            headers = self._plain_headers()
            if headers is not None:
                self.cycle = self.running = ExpressCycle(self, headers)
                return
        super().on_headers_complete()

    def check(self, now: float) -> None:
        """Give up a body that takes too long, besides what the guard looks at."""
        super().check(now)
        cycle = self.cycle
        if isinstance(cycle, ExpressCycle) and cycle.more_body and not cycle.response_complete and now - cycle.since >= self.limits.timeout:
            cycle.give_up()

    def hold(self, release: Release) -> None:
        """Call it once what was written is taken."""
        if self.flow.write_paused:
            self._held = (*self._held, release)
        else:
            release()

    def resume_writing(self) -> None:
        """Called by the transport."""
        super().resume_writing()
        self._let_go()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport."""
        super().connection_lost(exc)
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, ()
        for release in held:
            release()

    def default_headers(self) -> bytes:
        """Uvicorn's own, as they are sent."""
        known, sent = Express._defaults
        headers = self.server_state.default_headers
        if headers is not known:
            sent = b"".join(b"%b: %b\r\n" % (name, value) for name, value in headers)
            Express._defaults = headers, sent
        return sent

    def _plain_headers(self) -> dict[str, str] | None:
        """The headers that matter; None when the request is not plain."""
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or parser.should_upgrade():
            return None
        if len(self.headers) > self.limits.headers or self.flow.write_paused or self.transport.is_closing() or not self.taker.takes_express:
            return None
        headers = known_headers(self.headers)
        if "expect" in headers:
            return None
        length = announced_length(headers)
        return headers if length is not None and length <= SMALL_BODY else None


def taking(taker: Taker) -> type[Express]:
    """The protocol whose requests are taken by `taker`."""
    return type("TakingExpress", (Express,), {"taker": taker})


class ExpressCycle:
    """One request, with what uvicorn reads and changes of its own cycles.

    Args:
        connection: that it came on.
        headers: that matter.
    """

    __slots__ = (
        "_asked",
        "_connection",
        "_request",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "since",
    )

    def __init__(self, connection: Express, headers: dict[str, str]) -> None:
        self._connection = connection
        self._request = connection.taker.began(headers)
        self._asked = False
        self.since = connection.loop.time()
        self.body = bytearray()
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = connection.parser.should_keep_alive()

    @property
    def message_event(self) -> ExpressCycle:
        """Uvicorn sets it when there is more of the body, when it is whole, and when the client is gone.

        Not an attribute: a request that knows itself stays until the garbage collector looks, and among thousands it looks for tens of
        milliseconds, in which nobody is answered.
        """
        return self

    def set(self) -> None:
        """See `message_event`."""
        if self._asked:
            return
        if self.disconnected:
            self._asked = True
            self._connection.taker.hung_up(self._request)
        elif not self.more_body:
            self._asked = True
            self._connection.taker.express(self._request, bytes(self.body), self._send)

    def give_up(self) -> None:
        """Answer that the body did not come in time."""
        self._asked = True
        self.keep_alive = False
        message = f"the body did not arrive within {self._connection.limits.timeout:g} s"
        refused = RequestRefused(408, ErrorCode.TIMEOUT, message, headers={"connection": "close"})
        self._connection.taker.refuse(self._request, refused, self._send)

    def _send(self, answer: Answer, release: Release) -> None:
        self.response_started = self.response_complete = True
        connection = self._connection
        transport = connection.transport
        if self.disconnected or transport.is_closing():
            release()
            return
        closes = not self.keep_alive or answer.headers.get("connection") == "close"
        fields = connection.taker.head_of(self._request, answer)
        if closes and "connection" not in answer.headers:
            fields.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % field for field in fields])
        transport.write(b"%b%b%b\r\n%b" % (_STATUS[answer.status], connection.default_headers(), head, answer.body))
        connection.hold(release)
        if closes:
            transport.close()
        connection.on_response_complete()
