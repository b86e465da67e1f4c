"""Processes that the bench starts: in a session of their own, on cores of their own, ended by pid whatever happens."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import psutil

GIVE_UP: Final = 120.0
STOPPING: Final = 10.0
"""Seconds in which a service must stop after SIGTERM."""


@dataclass(frozen=True)
class Launch:
    """How a service is started.

    Args:
        argv: the command.
        env: variables beside the bench's own.
        cwd: where it runs.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """Who runs on which cores; None: wherever the kernel puts them.

    Args:
        service: the cores of the service that is measured.
        rest: those of the load and of everything that takes in the service's events.
    """

    service: Sequence[int] | None = None
    rest: Sequence[int] | None = None

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command, on the service's cores."""
        return list(argv) if self.service is None else ["taskset", "--cpu-list", _listed(self.service), *argv]

    def move_away(self, pid: int) -> None:
        """Put a process with all its threads beside the load."""
        if self.rest is not None:
            with contextlib.suppress(subprocess.CalledProcessError):  # it has ended
                subprocess.run(
                    ["taskset", "--all-tasks", "--cpu-list", "--pid", _listed(self.rest), str(pid)], check=True, capture_output=True
                )


def apart() -> Placement:
    """The first core for the service, the others for the rest; nothing is pinned where that cannot be."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        print("not pinned: that needs two cores and taskset")
        return Placement()
    return Placement(cores[:1], cores[1:])


@contextlib.contextmanager
def process(launch: Launch, placement: Placement) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A service that runs until the block ends: the process, and the file that has its output."""
    with tempfile.TemporaryFile() as output:
        started = subprocess.Popen(
            placement.argv(launch.argv),
            cwd=launch.cwd,
            env=clean_environment(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield started, output
        finally:
            with uninterrupted():
                end(started)


def clean_environment(own: Mapping[str, str]) -> dict[str, str]:
    """The bench's environment without what would change a service, and with a service's own variables."""
    dropped = ("SANDBOX_", "BENTOML_", "MLFLOW_", "MLSERVER_", "PYTHON", "VIRTUAL_ENV")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(dropped)}, **own}


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Whoever is being ended is ended to the end: nobody interrupts this process or what it starts in the meantime."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def end(started: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the process, and SIGKILL to what is left of it and its children."""
    tree = family([started.pid])
    if started.poll() is None:
        started.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        started.wait(STOPPING)
    _, alive = psutil.wait_procs(tree, timeout=2)
    for each in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)  # children that it no longer knew
    started.wait()


def family(pids: Sequence[int]) -> list[psutil.Process]:
    """The processes and everything that they started."""
    found: list[psutil.Process] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            found += [parent, *parent.children(recursive=True)]
    return found


def memory(pids: Sequence[int]) -> float:
    """Megabytes of the processes and their children, pages that several of them share counted once (PSS)."""
    total = 0
    for each in family(pids):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{each.pid}/smaps_rollup").read_text(encoding="ascii")
            total += int(rollup.partition("\nPss:")[2].split(maxsplit=1)[0])
    return total * 1024 / 1e6


def processor_seconds(pids: Sequence[int]) -> float:
    """What the processes and their children have used so far."""
    total = 0.0
    for each in family(pids):
        with contextlib.suppress(psutil.Error):
            total += sum(each.cpu_times()[:2])
    return total


def wait_until_idle(pids: Sequence[int], seconds: float = 30.0) -> bool:
    """Wait until requests that nobody waits for any more are done with; whether that came about in time."""
    deadline = time.monotonic() + seconds
    used = processor_seconds(pids)
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = processor_seconds(pids)
        if now - used <= 0.03:  # three ticks in a tenth of a second: what a service does that has nothing to do
            return True
        used = now
    return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listed(cores: Sequence[int]) -> str:
    return ",".join(map(str, cores))
