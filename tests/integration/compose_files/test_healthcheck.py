"""The health check of our own containers, run as a container runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from threading import Thread

import pytest

import mlsandbox_serving
from support.waiting import HANG_SECONDS

SERVED = Path(mlsandbox_serving.__path__[0]).parent


class _Answer(BaseHTTPRequestHandler):
    """Answers "/<status>" with that status and a body that says who asked for what; "/long" with more than is shown."""

    def do_GET(self) -> None:
        status = 200 if self.path == "/long" else int(self.path[1:4])
        body = b"x" * 100_000 if self.path == "/long" else f'{{"asked": "{self.path}"}}'.encode()
        body = body if (key := self.headers["x-api-key"]) is None else key.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def _serving() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _check(port: int, path: str, *key_files: str) -> tuple[int, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "mlsandbox_serving.healthcheck", str(port), path, *key_files],
        env={"PYTHONPATH": str(SERVED), "http_proxy": "http://127.0.0.1:9"},
        stdout=subprocess.PIPE,
        check=False,
        timeout=HANG_SECONDS,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (301, 1), (404, 1), (503, 1)])
def test_status(status: int, code: int) -> None:
    """It must end with 0 on a 2xx alone, and show the answer in every case."""
    with _serving() as port:
        ended, shown = _check(port, f"/{status}?a=b")

    assert (ended, shown) == (code, f'{{"asked": "/{status}?a=b"}}\n'.encode())


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("# ours\n\nteam-a: 0123456789abcdef\nother\n", b"0123456789abcdef"),
        ("0123456789abcdef\n", b"0123456789abcdef"),
        ("", None),
        (None, None),
    ],
)
def test_a_key(tmp_path: Path, text: str | None, sent: bytes | None) -> None:
    """It must send the first API key of a service that asks for one, and ask without when there is none to be had."""
    file = tmp_path / "api-keys"
    if text is not None:
        file.write_text(text)
    with _serving() as port:
        ended, shown = _check(port, "/200", str(file))

    assert (ended, shown.strip()) == (0, b'{"asked": "/200"}' if sent is None else sent)


def test_long_answer() -> None:
    """It must show no more than a container's health log holds."""
    with _serving() as port:
        ended, shown = _check(port, "/long")

    assert ended == 0
    assert 1_000 < len(shown) < 4_096


def test_nobody_there() -> None:
    """It must end with 1 and say why when nobody listens."""
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    ended, shown = _check(port, "/200")
    assert ended == 1
    assert b"refused" in shown


def test_another_protocol() -> None:
    """It must end with 1 and say so when what listens does not speak HTTP."""
    with create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1_024)
                connection.sendall(b"220 ready\r\n")

        thread = Thread(target=greet)
        thread.start()
        ended, shown = _check(listener.getsockname()[1], "/200")
        thread.join()

    assert ended == 1
    assert b"does not speak HTTP" in shown


def test_imports() -> None:
    """It is run every second while a service starts: it must import nothing that takes long."""
    program = "import sys; known = set(sys.modules); import mlsandbox_serving.healthcheck; print(*sorted(set(sys.modules) - known))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(SERVED)!r}); {program}"], stdout=subprocess.PIPE, check=True
    )

    assert not {"http", "email", "urllib", "ssl", "json", "asyncio", "logging", "typing"} & set(done.stdout.decode().split())
