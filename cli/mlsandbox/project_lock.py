"""One command at a time changes a project; the lock ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlsandbox.errors import ProjectBusy
from mlsandbox.state import make_sandbox_folder


@contextlib.contextmanager
def project_lock(sandbox: Path, command: str, *, wait: float = 10.0, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the project's lock.

    Args:
        sandbox: the project's `.sandbox`; made when it is not there.
        command: what this process does, for the message that another one shows ("sandbox up").
        wait: seconds to wait for another command.
        waiting: told once, when there is something to wait for, who that is.

    Raises:
        ProjectBusy: the other command is not done in time.
    """
    descriptor = _locked(sandbox, wait, waiting)
    try:
        with contextlib.suppress(OSError):  # who holds it is told to others; a full disk must keep nobody from `down`, which makes room
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _locked(sandbox: Path, wait: float, waiting: Callable[[str], None] | None) -> int:
    """The descriptor of the lock; never of a file that `down --volumes` removed while we waited for it, which nobody else would see."""
    path = sandbox / "lock"
    while True:
        with contextlib.suppress(FileNotFoundError):  # the folder is being removed: it is made again
            make_sandbox_folder(sandbox)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                _acquire(descriptor, sandbox, wait, waiting)
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _acquire(descriptor: int, sandbox: Path, wait: float, waiting: Callable[[str], None] | None) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        holder = _holder(descriptor)
        if time.monotonic() >= deadline:
            raise ProjectBusy(
                "another command is at work on this project",
                why=f"{_describe(holder)} holds {sandbox / 'lock'}; waited {wait:g} s.",
                fix="wait for it to end, or stop it"
                + (f": kill {holder['pid']}" if "pid" in holder else f"; its lock is {sandbox / 'lock'}"),
                details={"holder": holder},
            )
        if not told and waiting is not None:
            waiting(_describe(holder))
            told = True
        time.sleep(0.05)


def _holder(descriptor: int) -> dict[str, object]:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:  # it has the lock, and has not yet said who it is
        return {}
    return holder if isinstance(holder, dict) else {}


def _describe(holder: dict[str, object]) -> str:
    return f"{holder['command']} (pid {holder['pid']})" if {"command", "pid"} <= holder.keys() else "another command"
