"""A failure to ask for alerts is said, and stops nothing."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mlsandbox.alerts import active_alerts
from support.toys import free_ports


def test_nobody_answers() -> None:
    """Without Alertmanager there must be no alerts, and the reason."""
    (port,) = free_ports(1)

    found = active_alerts(port)

    assert found.alerts == ()
    assert found.problem is not None
    assert str(port) in found.problem


@pytest.mark.parametrize(("status", "body"), [(500, b"[]"), (200, b"<html>"), (200, b"{}x"), (200, b'[{"labels": 1}]')])
def test_something_else_answers(status: int, body: bytes) -> None:
    """What is no answer of Alertmanager must be said to be none."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        found = active_alerts(server.server_address[1])
    finally:
        thread.join(10)
        server.server_close()

    assert found.alerts == ()
    assert found.problem is not None
