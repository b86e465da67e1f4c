"""Predictions with a small body, answered from the parser's callbacks: without an ASGI scope, a task and two messages for each.

A request is taken here when there is nothing unusual about it: `POST /predict` in HTTP/1.1 with a length of at most 32 KiB, nothing
unanswered before it on its connection, nothing to be said before its body, and a model that can be asked. Everything else goes uvicorn's
way to the application. Where it is taken, uvicorn sees it as the connection's cycle, and so keeps its order, its end and the drain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol

from mlsandbox_serving.contract import ErrorCode, Route
from mlsandbox_serving.service.exchange import Answer, Request, announced_length, known_headers
from mlsandbox_serving.service.protocol import HttptoolsGuard
from mlsandbox_serving.service.refusal import RequestRefused

_URL: Final = Route.PREDICT.encode()
_LARGEST: Final = 32 * 1024
_STATUS: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class Taker(Protocol):
    """Where requests are taken; app.App."""

    @property
    def takes_express(self) -> bool:
        """Whether the model can be asked."""

    def began(self, headers: Mapping[str, str]) -> Request:
        """A request whose head is there."""

    def express(self, request: Request, body: bytes, send: Callable[[Answer], None]) -> None:
        """Answer it, now or later, in the event loop's thread; never raises."""

    def refuse(self, request: Request, refused: RequestRefused, send: Callable[[Answer], None]) -> None:
        """Answer it with an error."""

    def hung_up(self, request: Request) -> None:
        """Its client is gone before its body was there."""

    def head_of(self, request: Request, answer: Answer) -> list[tuple[bytes, bytes]]:
        """The headers of its answer."""


class Express(HttptoolsGuard):
    """Takes what is plain, and leaves the rest to uvicorn's protocol behind it."""

    taker: Taker
    expect_100_continue: bool  # of uvicorn's protocol

    _defaults: tuple[Any, bytes] = (None, b"")
    """uvicorn's own headers, as it has them and as they are sent; the date is another one each second."""

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        cycle = self.cycle
        if self.url == _URL and not self.is_over and (cycle is None or cycle.response_complete) and self._at_most <= self.limits.head_bytes:
            headers = self._plain_headers()
            if headers is not None:
                self.cycle = ExpressCycle(self, headers)
                return
        super().on_headers_complete()

    def check(self, now: float) -> None:
        """Give up a body that takes too long, besides what the guard looks at."""
        super().check(now)
        cycle = self.cycle
        if isinstance(cycle, ExpressCycle) and cycle.more_body and now - cycle.since >= self.limits.timeout:
            cycle.give_up()

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
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or self.expect_100_continue or parser.should_upgrade():
            return None
        if len(self.headers) > self.limits.headers or not self.taker.takes_express:
            return None
        headers = known_headers(self.headers)
        length = announced_length(headers)
        return headers if length is not None and length <= _LARGEST else None


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
        "message_event",
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
        self.message_event = self
        """uvicorn sets it when there is more of the body, when it is whole, and when the client is gone."""

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

    def _send(self, answer: Answer) -> None:
        self.response_started = self.response_complete = True
        connection = self._connection
        transport = connection.transport
        if self.disconnected or transport.is_closing():
            return
        closes = not self.keep_alive or answer.headers.get("connection") == "close"
        fields = connection.taker.head_of(self._request, answer)
        if closes and "connection" not in answer.headers:
            fields.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % field for field in fields])
        transport.write(b"%b%b%b\r\n%b" % (_STATUS[answer.status], connection.default_headers(), head, answer.body))
        if closes:
            transport.close()
        connection.on_response_complete()
