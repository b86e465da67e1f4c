"""What the shipper's port takes beside probes: messages of Alertmanager, bounded."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from mlsandbox_serving.alerts import LARGEST_BODY, log_alerts
from mlsandbox_serving.contract import Route
from mlsandbox_serving.probes import ProbeServer
from support.waiting import HANG_SECONDS, wait_for

MESSAGE = {"alerts": [{"status": "firing", "labels": {"alertname": "SandboxNoTraffic", "severity": "info", "model": "wine"}}]}


@pytest.fixture
def port() -> Iterator[int]:
    """Port of a server as the shipper has it."""
    server = ProbeServer(
        "127.0.0.1",
        0,
        readiness=lambda: {"ready": True},
        registry=CollectorRegistry(),
        posts={Route.ALERTS: log_alerts},
        largest_post=LARGEST_BODY,
    )
    server.start()
    yield server.port
    server.close()


def _post(port: int, body: bytes, path: str = Route.ALERTS, length: str | None = None, kind: str = "application/json") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
    try:
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(len(body)) if length is None else length)
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_message_is_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """Each alert of a message must be a line of the log, and the message be taken."""
    with caplog.at_level(logging.INFO):
        assert _post(port, json.dumps(MESSAGE).encode()) == 200

    assert caplog.messages == ["alert firing: SandboxNoTraffic (wine), info: What to do: sandbox help SandboxNoTraffic"]


def test_what_is_not_expected_is_refused(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """Other bodies, paths and sizes must be refused with the status that says so, and leave no line."""
    with caplog.at_level(logging.INFO):
        assert _post(port, b"{") == 400
        assert _post(port, b"{}", "/elsewhere") == 404
        assert _post(port, b"{}", Route.READY) == 404
        assert _post(port, b"", length="many") == 411
        assert _post(port, b"", length=str(LARGEST_BODY + 1)) == 413
        assert _post(port, b"", length="9" * 5_000) == 413
        assert _post(port, json.dumps(MESSAGE).encode(), kind="text/plain") == 415
        assert _post(port, json.dumps(MESSAGE).encode()) == 200

    assert len(caplog.messages) == 1


def test_a_client_that_goes_away_is_no_mistake_of_ours(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Who closes the connection in the middle of a request must leave no traceback in the log."""
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends it with a reset
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n" * 20)
    assert _post(port, json.dumps(MESSAGE).encode()) == 200

    wait_for(lambda: threading.active_count() <= 2, what="all requests are done with")
    assert "Traceback" not in capfd.readouterr().err


def test_probes_are_answered_as_before(port: int) -> None:
    """GET of the path is none of its business, and the metrics show what the process uses."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
    connection.request("GET", Route.ALERTS)
    first = connection.getresponse()
    first.read()
    connection.close()
    connection.request("GET", Route.METRICS)
    shown = connection.getresponse().read().decode()
    connection.close()

    assert first.status == 404
    assert "# TYPE process_resident_memory_bytes gauge" in shown
