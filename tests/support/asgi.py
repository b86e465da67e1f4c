"""Drive an ASGI application in this process, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Self

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True)
class Response:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON that has no NaN."""
        return json.loads(self.body, parse_constant=_no_constant)


class Client:
    """Requests to an application whose lifespan runs as long as the `async with` block."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._lifespan = asyncio.ensure_future(self._app({"type": "lifespan"}, self._to_app.get, self._from_app.put))
        await self._tell("startup")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tell("shutdown")

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET."""
        return await self.request("GET", path, headers=headers)

    async def post(
        self, path: str, content: Any = None, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """POST `content` as JSON, or `body` as it is."""
        sent = json.dumps(content).encode() if body is None else body
        return await self.request("POST", path, parts=[sent], headers={"content-type": "application/json", **(headers or {})})

    async def request(
        self, method: str, path: str, *, parts: Iterable[bytes | None] = (b"",), headers: Mapping[str, str] | None = None
    ) -> Response:
        """Any request; the body arrives in `parts`, and None among them is a client that hangs up.

        Raises:
            NoResponse: the application ended without an answer.
        """
        chunks = list(parts)
        sent: list[Message] = []

        async def receive() -> Message:
            await asyncio.sleep(0)
            part = chunks.pop(0) if chunks else None
            return {"type": "http.disconnect"} if part is None else {"type": "http.request", "body": part, "more_body": bool(chunks)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Message = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()],
        }
        await self._app(scope, receive, send)
        if not sent:
            raise NoResponse
        headers_sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Response(sent[0]["status"], headers_sent, b"".join(message.get("body", b"") for message in sent[1:]))

    async def _tell(self, event: str) -> None:
        await self._to_app.put({"type": f"lifespan.{event}"})
        answer = await asyncio.wait_for(self._from_app.get(), 10)
        assert answer["type"] == f"lifespan.{event}.complete", answer


class NoResponse(Exception):
    """The application sent nothing."""


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")
