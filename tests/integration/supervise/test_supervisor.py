"""The supervisor with real processes: whatever ends, however it ends, the next state is the right one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlsandbox.engines.base import Observed, Outcome, Plan, Result
from mlsandbox.engines.embedded import EmbeddedEngine
from mlsandbox.stack.spec import Condition, Resources, ServiceSpec
from mlsandbox.supervise import control
from mlsandbox.supervise.logfiles import tail
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.status import STATUS_VERSION
from mlsandbox.supervise.sweep import is_alive
from mlsandbox.supervise.transition import State
from support.leaks import assert_nothing_left
from support.toys import desired, free_ports, toy
from support.waiting import HANG_SECONDS, wait_for


class Stack:
    """Toys under a supervisor, in a folder whose name is as awkward as a user's may be."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self.folder = Folder(root / ".sandbox")
        self.engine = EmbeddedEngine(root)
        self.ports = free_ports(3)
        self.journal = root / "journal"

    def toy(self, name: str, *, port: int = 0, needs: dict[str, Condition] | None = None, grace: float = 5.0, **env: str) -> ServiceSpec:
        return toy(name, self.ports[port], needs=needs, grace=grace, TOY_JOURNAL=str(self.journal), **env)

    def plan(self, *services: ServiceSpec) -> Plan:
        return self.engine.plan(desired(*services), self.engine.observe())

    def up(self, *services: ServiceSpec) -> Outcome:
        return self.engine.apply(self.plan(*services), lambda _change: None, timeout=HANG_SECONDS)

    def down(self) -> None:
        self.engine.apply(self.engine.plan_stop(None, self.engine.observe()), lambda _change: None, timeout=HANG_SECONDS)

    def observe(self) -> Observed:
        return self.engine.observe()

    def pid(self, name: str) -> int:
        service = self.observe().service(name)
        assert service is not None
        assert service.pid is not None
        return service.pid

    def wait(self, name: str, state: State, *, restarts: int = 0) -> None:
        def is_there() -> bool:
            service = self.observe().service(name)
            return service is not None and service.state is state and service.restarts >= restarts

        wait_for(is_there, what=f"{name} is {state}: {self.observe().service(name)}")

    def supervisor(self) -> int:
        pid = control.supervisor_pid(self.folder)
        assert pid is not None
        return pid

    def journal_lines(self) -> list[str]:
        return self.journal.read_text("utf-8").splitlines()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """An empty stack; whatever a test does, nothing may run afterwards."""
    made = Stack(tmp_path / "größe 1")
    yield made
    made.down()
    assert_nothing_left(made.root, made.ports)


def test_killed_child_comes_back(stack: Stack) -> None:
    """A child killed with SIGKILL must be started again on the same port, while the others go on."""
    stack.up(stack.toy("a"), stack.toy("b", port=1))
    other = stack.pid("b")

    os.kill(stack.pid("a"), signal.SIGKILL)

    stack.wait("a", State.READY, restarts=1)
    assert stack.pid("b") == other


def test_worker_of_a_killed_child_gives_up_the_port(stack: Stack) -> None:
    """A worker in a session of its own that outlives its parent must be ended before the parent starts again: the port is not lost."""
    stack.up(stack.toy("a", TOY_WORKER="1"))
    worker = psutil.Process(stack.pid("a")).children(recursive=True)[0]

    os.kill(stack.pid("a"), signal.SIGKILL)

    stack.wait("a", State.READY, restarts=1)
    assert not is_alive(worker)


def test_killed_worker_is_noticed(stack: Stack) -> None:
    """A service whose worker alone was killed must not count as ready any more."""
    stack.up(stack.toy("a", TOY_WORKER="1"))

    psutil.Process(stack.pid("a")).children(recursive=True)[0].kill()

    stack.wait("a", State.UNREADY)


def test_killed_supervisor_takes_its_children_along(stack: Stack) -> None:
    """Children must end with a supervisor killed with SIGKILL, and the next `up` must bring all back, workers and ports included."""
    services = (stack.toy("a", TOY_WORKER="1"), stack.toy("b", port=1))
    stack.up(*services)
    child = psutil.Process(stack.pid("b"))

    os.kill(stack.supervisor(), signal.SIGKILL)

    wait_for(lambda: not is_alive(child), what="the child is gone")
    assert not stack.observe().running
    assert stack.up(*services).result is Result.READY


def test_down_after_a_killed_supervisor(stack: Stack) -> None:
    """`down` must end what a killed supervisor left behind."""
    stack.up(stack.toy("a", TOY_WORKER="1"))
    os.kill(stack.supervisor(), signal.SIGKILL)

    stack.down()

    assert_nothing_left(stack.root, stack.ports)


def test_crash_loop_gives_up(stack: Stack) -> None:
    """A service that keeps ending must be given up after five times, with the reason, and be tried again by `up`."""
    good = stack.toy("a")
    stack.up(good)
    list_file = stack.folder.processes
    list_file.write_text(list_file.read_text("utf-8").replace('"TOY": "ready"', '"TOY": "crash"'), "utf-8")

    control.reload(stack.folder)

    stack.wait("a", State.FAILED, restarts=4)
    failed = stack.observe().service("a")
    assert failed is not None
    assert failed.reason == "ended with exit code 3; gave up after 5 ends in quick succession"
    assert stack.up(good).result is Result.READY


def test_taken_port(stack: Stack) -> None:
    """A service must not start beside a stranger on its port; the reason names the port."""
    with socket.create_server(("127.0.0.1", stack.ports[0])):
        outcome = stack.up(stack.toy("a"))

    assert outcome.result is Result.CRASHED
    assert outcome.reason == f"port {stack.ports[0]} (a) is taken by another process"


def test_order_of_start_and_stop(stack: Stack) -> None:
    """A service must start after what it needs to be ready, and stop before it."""
    stack.up(stack.toy("c", port=2, needs={"b": Condition.READY}), stack.toy("b", port=1, needs={"a": Condition.READY}), stack.toy("a"))

    stack.down()

    assert stack.journal_lines() == ["a began", "b began", "c began", "c ended", "b ended", "a ended"]


def test_deaf_service_is_killed(stack: Stack) -> None:
    """A service that ignores SIGTERM must be killed when its time is over, not before."""
    stack.up(stack.toy("a", TOY="deaf", grace=0.3))
    deaf = psutil.Process(stack.pid("a"))

    began = time.monotonic()
    stack.down()

    assert time.monotonic() - began >= 0.3
    assert not deaf.is_running()
    assert stack.journal_lines() == ["a began"]


def test_memory_cap(stack: Stack) -> None:
    """A service past its memory cap must be restarted, and say why."""
    modest = stack.toy("a", TOY_MEMORY=str(200 * 1024 * 1024))
    capped = ServiceSpec(**{name: getattr(modest, name) for name in modest.__slots__} | {"resources": Resources(100 * 1024 * 1024)})
    stack.up(capped)

    stack.wait("a", State.READY, restarts=1)

    assert any("of memory, the cap is 100 MB" in line for line in tail(stack.folder.log("supervisor"), 50))


def test_deleted_project(stack: Stack) -> None:
    """A supervisor whose project was deleted must stop everything and end."""
    stack.up(stack.toy("a", TOY_WORKER="1"))
    supervisor = psutil.Process(stack.supervisor())

    shutil.rmtree(stack.root)

    wait_for(lambda: not is_alive(supervisor), what="the supervisor is gone")
    assert_nothing_left(stack.root, stack.ports)


def test_recreated_project(stack: Stack) -> None:
    """A new stack must not fight with the supervisor of a `.sandbox` that was deleted under it."""
    stack.up(stack.toy("a"))
    shutil.rmtree(stack.folder.path)

    assert stack.up(stack.toy("a")).result is Result.READY


def test_hangup(stack: Stack) -> None:
    """The end of the terminal (SIGHUP) must not end the stack."""
    stack.up(stack.toy("a"))
    supervisor = stack.supervisor()

    os.kill(supervisor, signal.SIGHUP)

    stack.wait("a", State.READY)
    assert stack.supervisor() == supervisor
    assert os.getsid(supervisor) != os.getsid(0)


def test_one_supervisor_per_project(stack: Stack) -> None:
    """A second supervisor must leave the first one alone, and say that it did nothing."""
    stack.up(stack.toy("a"))
    first = stack.supervisor()

    second = subprocess.run([sys.executable, "-m", "mlsandbox.supervise", str(stack.folder.path)], check=False, timeout=HANG_SECONDS)

    assert second.returncode == 75
    assert stack.supervisor() == first


def test_terminated_supervisor(stack: Stack) -> None:
    """SIGTERM to the supervisor must stop everything; commands that come meanwhile wait for its end."""
    a = stack.toy("a", TOY="deaf", grace=0.5)
    stack.up(a)

    os.kill(stack.supervisor(), signal.SIGTERM)

    assert stack.up(stack.toy("a")).result is Result.READY


def test_stranger_with_our_answer(stack: Stack) -> None:
    """Only a body with our own stack id must count as our service."""
    stack.up(stack.toy("a"))
    first = stack.observe().stack_id
    stack.down()
    stack.up(stack.toy("a"))

    assert stack.observe().stack_id != first


def test_many_rounds(stack: Stack) -> None:
    """Going up and down again and again must leave nothing behind, in any round."""
    for _ in range(50):
        assert stack.up(stack.toy("a", TOY_WORKER="1"), stack.toy("b", port=1)).result is Result.READY
        stack.down()
        assert_nothing_left(stack.root, stack.ports)


def test_list_of_a_killed_command(stack: Stack) -> None:
    """A command killed after it wrote a new list must not keep the next one from bringing the stack to what is wanted."""
    stack.up(stack.toy("a"))
    stack.folder.processes.write_text("{", "utf-8")

    assert stack.up(stack.toy("a"), stack.toy("b", port=1)).result is Result.READY
    assert {service.name for service in stack.observe().services} == {"a", "b"}


def test_unreadable_list_changes_nothing(stack: Stack) -> None:
    """A supervisor that is told to follow a list it cannot read must go on as before, and say so."""
    stack.up(stack.toy("a"))
    before = stack.pid("a")
    stack.folder.processes.write_text("{", "utf-8")

    control.reload(stack.folder)

    def error() -> str:
        status = control.current_status(stack.folder)
        return "" if status is None else status.error

    assert wait_for(error, what="the error is told").startswith("processes.json: ")
    assert stack.pid("a") == before


def test_supervisor_of_another_version(stack: Stack) -> None:
    """A supervisor that an earlier version of ours started must be replaced by `up`: it may not understand the list."""
    stack.up(stack.toy("a"))
    first = stack.supervisor()
    stack.folder.status.write_text(
        stack.folder.status.read_text("utf-8").replace(f'"schema_version": {STATUS_VERSION}', '"schema_version": 0'), "utf-8"
    )

    assert stack.up(stack.toy("a")).result is Result.READY
    assert stack.supervisor() != first
