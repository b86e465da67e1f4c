"""The other side of a supervisor: start it, tell it that the list has changed, stop it, see how things stand."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from secrets import token_hex
from typing import Protocol

from mlsandbox.supervise.child import Identity
from mlsandbox.supervise.daemon import ALREADY_RUNNING
from mlsandbox.supervise.logfiles import tail
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.status import SupervisorStatus, read_status
from mlsandbox.supervise.sweep import SUPERVISOR, Swept, sweep
from mlsandbox.supervise.transition import State


class Tell(Protocol):
    """Told what happens to a service."""

    def __call__(self, service: str, state: State, reason: str = "", /) -> None: ...


class SupervisorFailed(RuntimeError):
    """The supervisor could not be started; the message is the end of its log."""


def supervisor_pid(folder: Folder) -> int | None:
    """Pid of the project's living supervisor, None when there is none."""
    try:
        lock = os.open(folder.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(lock)
    finally:
        os.close(lock)
    return None


def current_status(folder: Folder) -> SupervisorStatus | None:
    """How things stand; None when no supervisor runs (what an earlier one wrote does not count)."""
    pid = supervisor_pid(folder)
    status = read_status(folder.status)
    return status if pid is not None and status is not None and status.pid == pid else None


def launch(folder: Folder, environ: Mapping[str, str]) -> list[Swept]:
    """Start a supervisor for the list in `folder`, after ending what an earlier one may have left.

    Returns:
        What was left over.

    Raises:
        SupervisorFailed: it ended at once.
    """
    swept = sweep(folder.path.parent, spared=supervisor_pid(folder))
    identity = Identity(folder.project, token_hex(8))
    environment = {**environ, **identity.marks(SUPERVISOR, os.getpid())}
    answer = subprocess.run(
        # -P: a module in the folder where the command was typed must not stand in for one of ours.
        [sys.executable, "-P", "-m", "mlsandbox.supervise", str(folder.path)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=60,
    )
    if answer.returncode not in {0, ALREADY_RUNNING} or supervisor_pid(folder) is None:
        raise SupervisorFailed(answer.stderr.strip() or "\n".join(tail(folder.log(SUPERVISOR), 15)))
    if answer.returncode == ALREADY_RUNNING:  # of a command that was killed while it did the same; it may have read an older list
        reload(folder)
    return swept


def reload(folder: Folder) -> None:
    """Have the living supervisor follow the changed list; nothing when there is none."""
    _signal(supervisor_pid(folder), signal.SIGUSR1)


def stop(folder: Folder, *, timeout: float) -> list[Swept]:
    """Stop everything; returns when nothing of the project runs any more.

    Args:
        folder: whose supervisor is meant.
        timeout: seconds that the supervisor gets for its own way of stopping before it and its processes are killed.

    Returns:
        What was left over by a supervisor that is gone, and had to be ended here.
    """
    pid = supervisor_pid(folder)
    _signal(pid, signal.SIGTERM)
    try:
        deadline = time.monotonic() + timeout
        while pid is not None and supervisor_pid(folder) == pid and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:  # an interrupt while waiting is an order to be quick
        if pid is not None and supervisor_pid(folder) == pid:
            _signal(pid, signal.SIGKILL)
    return sweep(folder.path.parent, spared=None)


def watch(folder: Folder, *, deadline: float, every: float = 0.05) -> Iterator[SupervisorStatus | None]:
    """The status again and again until `deadline` (of `time.monotonic`); None when the supervisor is gone."""
    while True:
        yield current_status(folder)
        if time.monotonic() >= deadline:
            return
        time.sleep(every)


def _holder(lock: int) -> int | None:
    """The pid in the lock file; waits a moment for a supervisor that has just taken it."""
    for _ in range(100):
        content = os.pread(lock, 32, 0)
        if content.isdigit():
            return int(content)
        time.sleep(0.02)
    return None


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
