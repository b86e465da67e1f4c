"""An engine or a Compose that is not there, does not answer or is too old."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from mlsandbox.docker_host import answers
from mlsandbox.engines import ENGINES
from mlsandbox.errors import EngineUnavailable
from support.toy_stack import ToyStack
from support.toys import toy


class _Greeter(socketserver.ThreadingUnixStreamServer):
    """An engine that tells its version, and then nothing more."""

    def __init__(self, address: Path, api: str) -> None:
        super().__init__(str(address), _Greeting)
        self.api = api
        self.over = threading.Event()


class _Greeting(BaseHTTPRequestHandler):
    server: _Greeter

    def do_GET(self) -> None:
        if not self.path.endswith(("/version", "/_ping")):
            self.server.over.wait(30)
            return
        content = json.dumps({"ApiVersion": self.server.api}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@contextlib.contextmanager
def _engine(folder: Path, monkeypatch: pytest.MonkeyPatch, api: str) -> Iterator[None]:
    monkeypatch.setattr("mlsandbox.engines.docker_daemon._SECONDS", 1)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder / 'engine'}")
    with _Greeter(folder / "engine", api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("listening", [True, False])
def test_engine_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, listening: bool) -> None:
    """Without an answer of Docker an error must say so in time, with what to do."""
    monkeypatch.setattr("mlsandbox.engines.docker_daemon._SECONDS", 1)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine'}")
    with socket.socket(socket.AF_UNIX) as deaf:
        if listening:
            deaf.bind(str(tmp_path / "engine"))
            deaf.listen()

        with pytest.raises(EngineUnavailable) as found:
            ENGINES["docker"](tmp_path).observe()

    assert "embedded" in found.value.fix


@pytest.mark.parametrize("host", ["tcp://docker.invalid:2375", "ssh://me@docker.example.org", "docker.invalid:2375"])
def test_engine_of_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Nothing may be sent to an engine of another machine: not even a look; builds would hand it the passwords of package indexes."""
    monkeypatch.setenv("DOCKER_HOST", host)

    with pytest.raises(EngineUnavailable, match="on another machine"):
        ENGINES["docker"](tmp_path).observe()
    assert not answers()


def test_engine_that_stops_answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that falls silent after a while must be told as that, not as a mistake of ours."""
    with _engine(tmp_path, monkeypatch, "1.45"), pytest.raises(EngineUnavailable, match="does not answer"):
        ENGINES["docker"](tmp_path).observe()


def test_engine_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that cannot do what a stack needs must be told before anything is done."""
    with _engine(tmp_path, monkeypatch, "1.41"), pytest.raises(EngineUnavailable, match="too old") as found:
        ENGINES["docker"](tmp_path).observe()

    assert "Engine 25" in found.value.why


@pytest.mark.parametrize(("answer", "what"), [("echo 2.17.3", "too old"), ("exit 125", "missing")])
def test_compose_that_cannot_do_it(stack: ToyStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, what: str) -> None:
    """Without a Compose of this decade nothing must be begun."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(EngineUnavailable, match=what):
        stack.up(toy("a", stack.ports[0]))

    monkeypatch.undo()
    assert not (stack.root / ".sandbox").exists()
