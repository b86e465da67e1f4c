"""Writer, shipper and log store as the processes they are, to be started, killed and asked by tests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlsandbox_serving.contract import Env, LogTable
from mlsandbox_serving.finding import Conditions
from mlsandbox_serving.log_store.find import find
from support.waiting import HANG_SECONDS, wait_for

STACK_ID = "stack-1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET on this machine.

    Raises:
        OSError: nobody answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ready_body(port: int) -> dict[str, Any] | None:
    """The body of /readyz when it says ready, else None."""
    try:
        status, body = get(port, "/readyz")
    except OSError:
        return None
    return dict(json.loads(body)) if status == 200 else None


def metric(port: int, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry the labels."""
    total = 0.0
    for line in get(port, "/metrics")[1].splitlines():
        if line.startswith((f"{name}{{", f"{name} ")) and all(f'{key}="{value}"' in line for key, value in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


class Service:
    """A Python module run as a process whose output goes to a file."""

    def __init__(self, module: str, env: dict[str, str], log: Path, probe_port: int) -> None:
        self.probe_port = probe_port
        self.log = log
        self.python = Path(sys.executable)
        """What runs it."""
        self._module = module
        self._env = {**os.environ, Env.STACK_ID: STACK_ID, **env}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it and, unless told otherwise, wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.python, "-m", self._module], env=self._env, stdout=log, stderr=log)
        if wait:
            wait_for(self.is_ready, what=f"{self._module} is ready")

    def is_ready(self) -> bool:
        """Whether it answers that it is ready; fails when it ended instead."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return ready_body(self.probe_port) is not None

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def kill_and_start(self) -> None:
        """Kill it and start it again, at work or not."""
        self.kill()
        self.start(wait=False)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=HANG_SECONDS)


class LogStore(Service):
    """The log store in a folder, on ports that stay the same over restarts."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.path = folder / "store" / LogTable.FILE
        self.forward_port = free_port()
        probe_port = free_port()
        settings = {
            Env.LOG_STORE_DIR: str(folder / "store"),
            Env.FORWARD_PORT: str(self.forward_port),
            Env.LOG_STORE_PORT: str(probe_port),
        }
        super().__init__("mlsandbox_serving.log_store", {**settings, **env}, folder / "store.log", probe_port)

    def ids(self) -> list[str]:
        """The ids of all events, oldest first; none while there is no database."""
        return [event["event.id"] for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first; none while there is no database."""
        if not self.path.exists():
            return []
        return [event for event in find(self.path, Conditions(limit=10**9)) if event is not None]


class ShipperProcess(Service):
    """The shipper of a folder's spool."""

    def __init__(self, folder: Path, sinks: dict[str, int], **env: str) -> None:
        self.spool = folder / "spool"
        probe_port = free_port()
        settings = {
            Env.SPOOL_DIR: str(self.spool),
            Env.SINKS: ",".join(f"{name}=127.0.0.1:{port}" for name, port in sinks.items()),
            Env.SHIPPER_PORT: str(probe_port),
            Env.MODEL: "churn",
        }
        super().__init__("mlsandbox_serving.spool.shipper", {**settings, **env}, folder / "shipper.log", probe_port)
