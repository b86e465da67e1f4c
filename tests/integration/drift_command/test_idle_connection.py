"""A client that was silent for a while, as the drift command is while it reads reference rows."""

from __future__ import annotations

import socket
import threading

from mlsandbox.endpoint import Endpoint
from support.waiting import HANG_SECONDS

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"columns": []}'


def test_a_connection_that_the_service_closed_is_made_anew() -> None:
    """A service closes connections on which nothing comes: the next request must be sent on a new one, and only once."""
    requests: list[bytes] = []
    closed = threading.Semaphore(0)

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                requests.append(connection.recv(65_536))
                connection.sendall(ANSWER)
            closed.release()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        with Endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}") as endpoint:
            for _ in range(2):
                endpoint.schema()
                assert closed.acquire(timeout=HANG_SECONDS)

    assert [request.partition(b" HTTP")[0] for request in requests] == [b"GET /schema", b"GET /schema"]
