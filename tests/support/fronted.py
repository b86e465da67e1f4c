"""Versions of fronted_service.py behind one front, under a real supervisor."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from mlsandbox.engines.base import Outcome, Result
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox.supervise import control
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.status import FrontStatus
from support.engine_bench import Bench
from support.guarded import Reply, read_reply
from support.toys import FRONT, toy
from support.waiting import HANG_SECONDS

PROGRAM = str(Path(__file__).with_name("fronted_service.py"))
POST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\ncontent-length: 10\r\n\r\n0123456789"
GET = b"GET /predict HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
V1, V2 = f"{FRONT}-v1", f"{FRONT}-v2"


class Fronted:
    """Versions of fronted_service.py behind one front."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self.bench = Bench("embedded", root)
        self.folder = Folder(root / ".sandbox")
        self.gate = root / "gate"
        self.gate.mkdir()

    def version(self, number: int, *, grace: float = HANG_SECONDS, **env: str) -> ServiceSpec:
        toyish = toy(f"{FRONT}-v{number}", self.bench.ports[number], front=FRONT, grace=grace)
        return replace(toyish, args=(PROGRAM,), env={**toyish.env, "FRONTED_GATE": str(self.gate), **env})

    def up(self, *services: ServiceSpec, answers: str) -> Outcome:
        outcome = self.bench.up(*services, answers=answers)
        assert outcome.result is Result.READY, outcome
        return outcome

    @property
    def port(self) -> int:
        return self.bench.front_port

    @property
    def status(self) -> FrontStatus:
        status = control.current_status(self.folder)
        assert status is not None
        front = status.front(FRONT)
        assert front is not None
        return front

    def connect(self, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.port), HANG_SECONDS)

    def heard(self) -> int:
        """How often workers came for their front."""
        return self.folder.log("supervisor").read_text("utf-8").count("has come for it")

    def asked(self) -> int:
        """Requests that wait at the gate."""
        return len(list(self.gate.glob("asked-*")))

    def open_gate(self) -> None:
        (self.gate / "open").touch()

    def refuses(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False


def ask(connection: socket.socket, request: bytes = POST) -> Reply:
    connection.sendall(request)
    return read_reply(connection)


def by(reply: Reply) -> str:
    """Who answered it."""
    assert reply.status == 200
    return reply.headers["x-model-version"]
