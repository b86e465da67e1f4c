"""HTTP as ASGI messages: reading a request within its limits, sending an answer."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from mlsandbox_serving.contract import Header, Origin
from mlsandbox_serving.record import Facts, new_id
from mlsandbox_serving.service.answers import NO_HEADERS

if TYPE_CHECKING:
    from mlsandbox_serving.service.challenger_measures import ChallengerMeasures, Mode

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

JSON: Final = "application/json"
SMALL_BODY: Final = 32 * 1024
"""Bytes of a body that is decoded in the event loop's thread; a larger one goes to the model's."""
_LARGE: Final = 65_536
"""Bytes of an answer that a connection takes without a reader."""
DRAINED: Final = 4
"""Times the limit: so much of a body is read to its end, even if only to answer that it is too large."""
_TRACEPARENT: Final = re.compile(r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?")
_KNOWN: Final = {
    name.encode(): name
    for name in (
        "accept",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "origin",
        "sec-fetch-site",
        Header.API_KEY,
        Header.AUTHORIZATION,
        Header.ENTITY,
        Header.FORWARDED,
        Header.INFERENCE_LENGTH,
        Header.ORIGIN,
        Header.REQUEST_ID,
        Header.TRACEPARENT,
    )
}
_REQUEST_ID: Final = re.compile(r"[\x20-\x7e]{1,128}")


class ClientGone(Exception):
    """The client closed the connection before its request was whole: there is nobody to answer."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = NO_HEADERS


class AnsweredBy(NamedTuple):
    """Another version than the one that was asked."""

    measures: ChallengerMeasures
    """Count its answers."""
    headers: Sequence[tuple[bytes, bytes]]
    """That name it."""


class Request:
    """A request on its way.

    Args:
        facts: what is known of it before its body.
        headers: those of `headers_of`.
        receive: gives its body; None when it comes in another way.
    """

    __slots__ = (
        *("afterwards", "announced", "answered_by", "facts", "headers", "held"),
        *("forwarded", "inside", "receive", "received", "route", "whole"),
    )

    def __init__(self, facts: Facts, headers: Mapping[str, str], receive: Receive | None = None) -> None:
        self.facts = facts
        self.headers = headers
        self.receive = receive
        self.announced = announced_length(headers)
        """Bytes that the body will have; None when the head does not say."""
        self.received = 0
        """Bytes of the body, once it was read."""
        self.held = 0
        """Bytes of it that are counted by Admission."""
        self.inside = False
        """Whether it is counted by Admission itself."""
        self.whole = self.announced == 0
        """Whether nothing of the body is left that would be read."""
        self.route = ""
        """Of contract.Route; empty while it is none of them."""
        self.forwarded: Mode | None = None
        """How a champion sent it on; None of a client's."""
        self.answered_by: AnsweredBy | None = None
        """None when it was this service itself."""
        self.afterwards: Callable[[], None] | None = None
        """What is to be done once its answer was sent."""


def json_answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON; floats that JSON has no words for become null."""
    return Answer(status, msgspec.json.encode(content, enc_hook=str), headers=headers or NO_HEADERS)


def known_headers(sent: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers that matter here, their names in lower case as ASGI gives them; of repeated ones the first."""
    headers: dict[str, str] = {}
    for name, value in sent:
        known = _KNOWN.get(name)
        if known is not None and known not in headers:
            headers[known] = value.decode("latin-1")
    return headers


def facts_of(method: str, path: str, headers: Mapping[str, str]) -> Facts:
    """What is known of a request before its body: the client's own request id is kept when it is one line of at most 128 characters.

    That it is a copy it cannot say of itself: see `Request.forwarded`.
    """
    sent = headers.get(Header.REQUEST_ID)
    parent = headers.get(Header.TRACEPARENT)
    origin = headers.get(Header.ORIGIN)
    return Facts(
        method,
        path,
        sent.strip() if sent is not None and is_request_id(sent.strip()) else new_id(),
        None if parent is None else trace_id_of(parent),
        origin=origin if origin in Origin.ALL and origin != Origin.SHADOW else None,
    )


def is_request_id(text: str) -> bool:
    """Whether a request may have this id."""
    return _REQUEST_ID.fullmatch(text) is not None


def trace_id_of(traceparent: str) -> str | None:
    """The trace id of a W3C traceparent header (https://www.w3.org/TR/trace-context/#traceparent-header); None when it is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"]):
        return None
    if not match["trace"].strip("0") or not match["parent"].strip("0"):
        return None
    return match["trace"]


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Bytes that the body will have; None when its head does not say."""
    announced = headers.get("content-length", "")
    if not (announced.isascii() and announced.isdecimal()):
        return None
    return int(announced) if len(announced) <= 18 else sys.maxsize


async def read_body(receive: Receive, announced: int | None, limit: int, hold: Callable[[int], None]) -> bytes | None:
    """The whole body; None when it is past `limit` bytes.

    What is past the limit is read and thrown away for a while: a client that is still sending when the connection is closed often
    never sees the answer.

    Args:
        receive: gives it.
        announced: bytes that it will have; None when that is not known.
        limit: most bytes.
        hold: told the size of each part that is kept; what it raises passes through.

    Raises:
        ClientGone: the connection was closed first.
    """
    length = announced or 0
    if length > DRAINED * limit:
        return None
    too_large = length > limit
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            too_large = True
            parts.clear()
        if size > DRAINED * limit:
            return None
        if not too_large:
            hold(len(part))
            parts.append(part)
        if not message.get("more_body", False):
            return None if too_large else parts[0] if len(parts) == 1 else b"".join(parts)


def sent_headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, without those of every one."""
    headers = [(b"content-type", answer.content_type.encode("latin-1")), (b"content-length", b"%d" % len(answer.body))]
    if answer.headers:
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    return headers


async def send_answer(send: Send, answer: Answer, headers: list[tuple[bytes, bytes]], *, head: bool = False) -> None:
    """Send an answer with these headers, of `head` requests the headers alone; returns when a large one is read, or its client is gone."""
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    large = len(answer.body) > _LARGE and not head
    await send({"type": "http.response.body", "body": b"" if head else answer.body, "more_body": large})
    if large:
        # The server waits here until what it has is written: else an answer that nobody reads would be no request any more.
        await send({"type": "http.response.body", "body": b"", "more_body": False})
