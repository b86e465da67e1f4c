"""Turns the calling process into the detached supervisor of a project."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import time
from pathlib import Path
from secrets import token_hex
from typing import Final

from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.supervisor import Supervisor
from mlsandbox_serving.contract import Env

ALREADY_RUNNING: Final = 75


def main(arguments: list[str]) -> int:
    """`python -m mlsandbox.supervise DIR`: returns when a supervisor, detached from this process, follows DIR/stack/processes.json.

    Returns:
        0 started; 75 another one holds the lock; 1 it ended at once (its log says why).
    """
    folder = Folder(Path(arguments[0]).absolute())
    folder.run.mkdir(parents=True, exist_ok=True)
    folder.logs.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    if not _take(lock):
        return ALREADY_RUNNING
    os.ftruncate(lock, 0)
    read, write = os.pipe()
    if os.fork() != 0:
        os.close(write)
        return 0 if os.read(read, 1) else 1
    os.close(read)
    os.setsid()
    if os.fork() != 0:  # not a session leader any more: no terminal can become ours
        os._exit(0)
    _detach(folder.log("supervisor"))
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    asyncio.run(Supervisor(folder, os.environ.get(Env.STACK_ID) or token_hex(8), lock).run(write))
    return 0


def _take(lock: int) -> bool:
    """Tries for a moment: a command that only looks whether a supervisor runs holds the lock for an instant too."""
    for _ in range(25):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _detach(log: Path) -> None:
    os.chdir("/")  # whatever the caller's folder is, it can be moved or unmounted
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    sys.stdout.flush()
