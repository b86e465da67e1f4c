"""What a small process answers over HTTP, and to whom."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from mlsandbox_serving.probes import ProbeServer
from support.waiting import HANG_SECONDS


@pytest.fixture
def port() -> Iterator[int]:
    """One that has a page."""
    server = ProbeServer(
        "127.0.0.1",
        0,
        readiness=lambda: {"ready": True},
        registry=CollectorRegistry(),
        pages={"/report": lambda: ("text/html", b"<p>example values</p>")},
    )
    server.start()
    yield server.port
    server.close()


def _asked(port: int, path: str, host: str) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("X-Content-Type-Options")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7317", "localhost:7317", "drift:7317", "[::1]:7317", "192.168.1.5", "churn.localhost", "LOCALHOST.", ""]
)
def test_a_page_is_shown_under_names_of_this_machine(port: int, host: str) -> None:
    """Addresses, loopback names and those of the containers' network must be answered."""
    assert _asked(port, "/report", host) == (200, b"<p>example values</p>", "nosniff")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7317", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "1.2.3"])
def test_a_page_is_not_shown_under_the_name_of_another_site(port: int, host: str) -> None:
    """A site whose name is made to lead here must not be able to read what is shown."""
    status, body, sniffing = _asked(port, "/report?x=1", host)

    assert (status, sniffing) == (421, "nosniff")
    assert b"example values" not in body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_are_answered_under_any_name(port: int, path: str) -> None:
    """Whoever watches the process may know it by a name of its own."""
    assert _asked(port, path, "drift.monitoring.example")[0] == 200
