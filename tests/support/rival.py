"""Stands in for a challenger that misbehaves: a server whose answers are bytes that a test chooses."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from mlsandbox_serving.contract import Header
from mlsandbox_serving.service.seal import Seal
from support.waiting import HANG_SECONDS


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


KEY = b"k" * 43
"""Of the stack."""
PROOF = b"x-request-id: @id@\r\nx-sandbox-forwarded: @code@\r\n"


def proven(answer: bytes, asked: Asked, *, key: bytes = KEY) -> bytes:
    """With the proof of v2 in place of PROOF."""
    request_id = asked.headers.get(Header.REQUEST_ID, "")
    code = Seal(key).answered("v2", asked.headers.get(Header.FORWARDED, ""), request_id)
    return answer.replace(b"@id@", request_id.encode()).replace(b"@code@", code.encode())


Behave = Callable[[Asked], bytes | None]
"""What is answered, with a connection that stays open; None: nothing, until `Rival.release` is set, then the connection is closed."""


def reply(
    predictions: Sequence[Any] = ("no",),
    *,
    status: int = 200,
    version: str | None = "v2",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """An answer as a model service's; PROOF stands for what only an answer to that request has."""
    content = json.dumps({"predictions": list(predictions), "version": version}).encode() if body is None else body
    named = {} if version is None else {Header.MODEL_VERSION: version, Header.PACKAGE_DIGEST: f"sha256:{version}"}
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), **named, **(headers or {})}
    lines = [f"HTTP/1.1 {status} Whatever", *PROOF.decode().splitlines(), *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + content


class Rival:
    """Listens until the end of the block."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.asked: list[Asked] = []
        self.connections = 0
        self.open = 0
        """Connections that are open now."""
        self._connections: list[socket.socket] = []
        self.release = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(HANG_SECONDS)

    def push(self, sent: bytes) -> None:
        """Send what nobody asked for, on every connection that is open."""
        for connection in self._connections:
            with suppress(OSError):
                connection.sendall(sent)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
        with connection, suppress(OSError), connection.makefile("rb") as file:
            connection.settimeout(HANG_SECONDS)
            while (asked := _read(file)) is not None:
                self.asked.append(asked)
                answer = self.behave(asked)
                if answer is None:
                    self.release.wait(HANG_SECONDS)
                    break
                connection.sendall(proven(answer, asked))
        with self._lock:
            self.open -= 1


def _read(file: Any) -> Asked | None:
    line = file.readline().decode("latin-1").rstrip("\r\n")
    if not line:
        return None
    headers = {}
    while text := file.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = text.partition(": ")
        headers[name.lower()] = value
    return Asked(line, headers, file.read(int(headers.get("content-length", "0"))))
