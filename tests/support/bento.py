"""Build a bento of a laid-out package and serve it, as the engine does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import psutil

import mlsandbox_serving
from mlsandbox_serving.contract import Env
from mlsandbox_serving.spool.reader import next_batch
from support.served import Laid
from support.waiting import HANG_SECONDS, wait_for


@dataclass(frozen=True)
class Bento:
    """A built bento, and the store it is in."""

    path: Path
    home: Path

    def environ(self, **settings: str) -> dict[str, str]:
        """The environment in which it is served."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SANDBOX_", "BENTOML_", "PROMETHEUS_"))}
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept["OMP_WAIT_POLICY"] = "PASSIVE"  # as in a stack
        return {**kept, "BENTOML_HOME": str(self.home), "BENTOML_DO_NOT_TRACK": "true", "PATH": binaries, **settings}


@dataclass(frozen=True)
class Service:
    """A running `bentoml serve`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def workers(self) -> list[psutil.Process]:
        """The processes that the arbiter started."""
        return psutil.Process(self.process.pid).children()

    def get(self, path: str) -> tuple[int, Any]:
        """Status and body of a GET; JSON where it is JSON."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON body of a POST."""
        sent = {"content-type": "application/json", **(headers or {})}
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(content).encode(), sent))

    def events(self) -> list[dict[str, Any]]:
        """What is in its spool, oldest first."""
        found: list[dict[str, Any]] = []
        positions: dict[str, int] = {}
        while (batch := next_batch(self.log.parent / "spool", lambda name: positions.get(name, 0))) is not None:
            positions[batch.segment] = batch.end
            found += [msgpack.unpackb(entry)[1] for entry in batch.entries]
        return found

    def wait(self, *, ready: bool = True, timeout: float = 60) -> dict[str, Any]:
        """The body of /readyz once it is ready, or has said that it never will be."""

        def probe() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log.read_text()
            try:
                body: dict[str, Any] = self.get("/readyz")[1]
            except OSError:
                return None
            return body if body["ready"] or body["final"] else None

        body = wait_for(probe, timeout=timeout, what=f"/readyz of {self.log}")
        assert body["ready"] is ready, (body, self.log.read_text())
        return body

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310 - our own port
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())


def build(laid: Laid, folder: Path) -> Bento:
    """Build a bento with the code that is tested."""
    context = folder / "context"
    shutil.copytree(laid.root, context)
    source = Path(mlsandbox_serving.__file__).parent
    shutil.copytree(source, context / "mlsandbox_serving", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(source / "service" / "bento_entry.py", context / "service.py")
    manifest = laid.manifest()
    request = {
        "context": str(context),
        "name": manifest["model"],
        "version": manifest["version"],
        "labels": {},
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "base_image": "python:3.11-slim",
        "requirements": "package/lock.txt",
        "model": {"tag": manifest["model_tag"], "files": {file["path"]: str(laid.model / file["path"]) for file in manifest["files"]}},
    }
    bento = Bento(Path(), folder / "bentoml")
    bento.home.mkdir()
    answer = subprocess.run(
        [sys.executable, "-m", "mlsandbox_serving.build"],
        input=json.dumps(request).encode(),
        env=bento.environ(),
        capture_output=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr.decode()
    return Bento(Path(json.loads(answer.stdout)["path"]), bento.home)


@contextmanager
def serve(bento: Bento, folder: Path, **settings: str) -> Iterator[Service]:
    """`bentoml serve` on a free port; ended, with what it started, at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environ = bento.environ(
        **{Env.SPOOL_DIR: str(folder / "spool"), Env.METRICS_DIR: str(folder / "metrics"), Env.STACK_ID: "test", **settings}
    )
    command = [sys.executable, "-m", "bentoml", "serve", str(bento.path), "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output, start_new_session=True)
    family: list[psutil.Process] = []
    try:
        service = Service(process, port, log)
        yield service
    finally:
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(HANG_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        for member in family:
            if member.is_running():
                member.kill()


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
