"""Finding and ending left-over processes, and nobody else's; looking at real ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox.stack.ports import Availability, Owner, owner_of, probe_by_binding
from mlsandbox.supervise.sweep import sweep
from mlsandbox_serving.contract import Env
from support.toys import free_ports

Start = Callable[[Path, str], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that carries the mark of a project, and of a supervisor with the given pid."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(project: Path, supervisor: str) -> subprocess.Popen[bytes]:
        marks = {Env.PROJECT_DIR: str(project), Env.SERVICE: "a", Env.PARENT_PID: supervisor}
        code = "import time; print(1, flush=True); time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **marks}, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_only_the_projects_own(start: Start, tmp_path: Path) -> None:
    """Only processes with the mark of exactly this project may be ended, and what was ended must be told."""
    mine, other, below = start(tmp_path / "a", "1"), start(tmp_path / "b", "1"), start(tmp_path / "a" / "b", "1")

    swept = sweep(tmp_path / "a")

    assert [(each.pid, each.service) for each in swept] == [(mine.pid, "a")]
    assert mine.poll() is not None  # gone, or a zombie that waits for this test
    assert other.poll() is None
    assert below.poll() is None


def test_a_living_stack_is_spared(start: Start, tmp_path: Path) -> None:
    """Processes under the living supervisor must be left alone."""
    living, left_over = start(tmp_path, "4711"), start(tmp_path, "42")

    swept = sweep(tmp_path, spared=4711)

    assert [each.pid for each in swept] == [left_over.pid]
    assert living.poll() is None


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])  # noqa: S104 - listened on for an instant
def test_a_listener_is_seen(address: str) -> None:
    """A port must count as taken whichever address its owner listens on, and the owner be named."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    with listener:
        port = listener.getsockname()[1]
        assert probe_by_binding(port) is Availability.TAKEN
        owner = owner_of(port)
        assert isinstance(owner, Owner)
        assert owner.pid == os.getpid()


def test_a_free_port() -> None:
    """A port that nobody listens on must count as free, and have no owner."""
    (port,) = free_ports(1)

    assert probe_by_binding(port) is Availability.FREE
    assert owner_of(port) is None
