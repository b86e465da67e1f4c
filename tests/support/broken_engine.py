"""Docker engines that are none, or stop being one: on a socket of the test's own."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

DOCKER_SOCKET: Final = "/var/run/docker.sock"
_VERSION: Final = json.dumps({"ApiVersion": "1.45", "Version": "26.1.5", "MinAPIVersion": "1.24"}).encode()

Answer = Callable[[bytes], bytes | None]
"""What is written for a request before the connection is closed; None: it is held open in silence."""


def http(body: bytes, *, status: str = "200 OK", length: int | None = None, kind: str = "application/json") -> bytes:
    """An answer; `length`: another one than it says."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def greeting_then(answer: Answer) -> Answer:
    """Tell the version as an engine does, and answer everything else otherwise."""

    def reply(request: bytes) -> bytes | None:
        path = request.partition(b" ")[2].partition(b" ")[0]
        return http(_VERSION) if path.endswith((b"/version", b"/_ping")) else answer(request)

    return reply


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, address: Path, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(str(address), handler)
        self.over = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the other side closed is what is tested."""


@contextlib.contextmanager
def _serving(address: Path, handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    with _Server(address, handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield f"unix://{address}"
        finally:
            server.over.set()
            server.shutdown()


def answering_with(address: Path, answer: Answer) -> contextlib.AbstractContextManager[str]:
    """An engine that gives this answer to each request; its DOCKER_HOST."""

    class Handler(socketserver.BaseRequestHandler):
        server: _Server

        def handle(self) -> None:
            said = answer(self.request.recv(65536))
            if said is None:
                self.server.over.wait(60)
            else:
                self.request.sendall(said)

    return _serving(address, Handler)


def dying_after(address: Path, connections: int, *, silent: bool) -> contextlib.AbstractContextManager[str]:
    """The real engine for so many connections, then one that closes each at once, or with `silent` says nothing; its DOCKER_HOST."""
    left = threading.Semaphore(connections)
    dead = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        server: _Server

        def handle(self) -> None:
            if not left.acquire(blocking=False):
                dead.set()
            with socket.socket(socket.AF_UNIX) as behind:
                behind.connect(DOCKER_SOCKET)
                while not dead.is_set() and not self.server.over.is_set() and self._pass_on(behind):
                    pass
            if silent:
                self.server.over.wait(60)

        def _pass_on(self, behind: socket.socket) -> bool:
            ways = {self.request: behind, behind: self.request}
            for source in select.select(list(ways), [], [], 0.1)[0]:
                piece = source.recv(65536)
                if not piece:
                    return False
                ways[source].sendall(piece)
            return True

    return _serving(address, Handler)
