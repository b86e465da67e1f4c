"""A small application on uvicorn with the guarded protocol, in a thread, and raw requests to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.config import HTTP_PROTOCOLS

from mlsandbox_serving.service.protocol import install
from mlsandbox_serving.service.refusal import RequestRefused
from support.waiting import HANG_SECONDS, wait_for

HEAD_SECONDS = 0.2
SWEEP_SECONDS = 0.02
HOST = b"Host: 127.0.0.1\r\n"


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What its body holds."""
        return json.loads(self.body)


@dataclass
class Guarded:
    """The running server."""

    server: uvicorn.Server
    refused: list[RequestRefused] = field(default_factory=list)
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Method, path and body of what reached the application."""
    release: threading.Event = field(default_factory=threading.Event)
    """Lets /slow answer."""
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Counts requests that /slow holds."""

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def open(self) -> int:
        """Connections that the server has."""
        return len(self.server.server_state.connections)

    def connect(self) -> socket.socket:
        """A connection; its reads hang no longer than a test may."""
        return socket.create_connection(("127.0.0.1", self.port), HANG_SECONDS)

    def ask(self, raw: bytes, answers: int = 1) -> list[Reply]:
        """The first answers to what is sent on a connection of its own."""
        with self.connect() as connection:
            connection.sendall(raw)
            return [read_reply(connection) for _ in range(answers)]

    def send(self, raw: bytes) -> list[Reply]:
        """What is answered at once on a connection of its own, whose sending side is closed behind what is sent."""
        with self.connect() as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            return replies(read_all(connection))


@contextmanager
def guarded(*, timeout: float = 30.0, connections: int = 100, http: str = "auto", **settings: Any) -> Iterator[Guarded]:
    """Run it; every connection is closed at the end of the block."""
    refused: list[RequestRefused] = []
    before = HTTP_PROTOCOLS["auto"]
    if http != "auto":
        HTTP_PROTOCOLS["auto"] = HTTP_PROTOCOLS[http]
    assert install(
        timeout,
        connections=connections,
        sweep_seconds=SWEEP_SECONDS,
        told=lambda refusal, _: refused.append(refusal),
        **{"head_seconds": HEAD_SECONDS, **settings},
    )
    running: Guarded

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _answer(running, scope, receive, send)

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    config.load()
    HTTP_PROTOCOLS["auto"] = before
    running = Guarded(uvicorn.Server(config), refused)
    thread = threading.Thread(target=running.server.run)
    thread.start()
    try:
        wait_for(lambda: running.server.started, what="the server")
        yield running
    finally:
        running.release.set()
        running.server.should_exit = running.server.force_exit = True
        thread.join()


async def _answer(running: Guarded, scope: Any, receive: Any, send: Any) -> None:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    running.seen.append((scope["method"], scope["path"], b"".join(parts)))
    if scope["path"] == "/slow":
        import asyncio  # noqa: PLC0415 - here alone

        running.entered.release()
        await asyncio.to_thread(running.release.wait)
    size = int(scope["path"].removeprefix("/bytes/")) if scope["path"].startswith("/bytes/") else 2
    headers = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}".ljust(size)})


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other end closes, or resets."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def read_reply(connection: socket.socket) -> Reply:
    """The next answer, of a connection that stays open."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(1)
        assert part, received
        received += part
    length = int(_headers(received)["content-length"])
    end = len(received) + length
    while len(received) < end:
        part = connection.recv(end - len(received))
        assert part, received
        received += part
    (reply,) = replies(received)
    return reply


def replies(received: bytes) -> list[Reply]:
    """The answers in what a connection gave."""
    found = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        assert end, received
        version, status = head.split(b" ")[:2]
        assert version == b"HTTP/1.1", head
        if status == b"100":
            received = rest
            continue
        headers = _headers(received)
        length = int(headers["content-length"])
        assert len(rest) >= length, (head, len(rest))
        found.append(Reply(int(status), headers, rest[:length]))
        received = rest[length:]
    return found


def _headers(received: bytes) -> dict[str, str]:
    lines = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
