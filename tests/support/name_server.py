"""A name server that answers, refuses, or says nothing, as it is told."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_HEAD = 12
_FOUND = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\x7f\x00\x00\x01"
"""Of the name that was asked for: an address, for a second, 127.0.0.1."""


@dataclass
class NameServer:
    """Knows every name, unless told otherwise."""

    port: int = 0
    code: int | None = 0
    """Of its answers: 0 is an address, 2 a failure, 3 no such name, 5 a refusal; None: it does not answer."""
    asked: int = 0

    def answer(self, query: bytes) -> bytes:
        """Of a query with one question."""
        end = query.index(b"\0", _HEAD) + 5
        found = _FOUND if self.code == 0 else b""
        counts = bytes([0, 1, 0, 1 if found else 0, 0, 0, 0, 0])
        return query[:2] + bytes([0x81, 0x80 | (self.code or 0)]) + counts + query[_HEAD:end] + found


@contextmanager
def name_server() -> Iterator[NameServer]:
    """One on this machine's loopback."""
    state = NameServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, connection = self.request
            state.asked += 1
            if state.code is not None:
                connection.sendto(state.answer(query), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
