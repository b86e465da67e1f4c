"""Finds processes by the marks in their environment, whoever their parent is, and ends them.

The marks are SANDBOX_PROJECT_DIR, SANDBOX_STACK_ID, SANDBOX_SERVICE and SANDBOX_PARENT_PID (the supervisor). Children inherit
them, so a worker that outlived its parent, in a session of its own, is still found. Only processes of the same user whose mark
names exactly this project are ever touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from mlsandbox.supervise.spec import Folder
from mlsandbox_serving.contract import Env

SUPERVISOR: Final = "supervisor"
"""SANDBOX_SERVICE of the supervisor itself."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A process that was ended."""

    pid: int
    service: str
    command: str


def sweep(project: Path, *, spared: int | None = None, grace: float = 3.0) -> list[Swept]:
    """End every marked process of the project, except those under a living supervisor.

    Args:
        project: the project's folder.
        spared: pid of the living supervisor, None when there is none (the caller has looked at its lock).
        grace: seconds between SIGTERM and SIGKILL.

    Returns:
        What was ended.
    """
    ours = {os.getpid(), *(parent.pid for parent in _parents())}

    def is_left_over(pid: int, marks: Mapping[str, str]) -> bool:
        return pid not in ours and (spared is None or (pid != spared and marks.get(Env.PARENT_PID) != str(spared)))

    found = list(marked(Folder(project / ".sandbox").project, is_left_over))
    # A supervisor first: it would start again what is ended below it.
    supervisors = [process for process, swept in found if swept.service == SUPERVISOR]
    end(supervisors, grace=grace)
    end([process for process, swept in found if swept.service != SUPERVISOR], grace=grace)
    return [swept for _, swept in found]


def marked(
    project: str, wanted: Callable[[int, Mapping[str, str]], bool] = lambda _pid, _marks: True
) -> Iterator[tuple[psutil.Process, Swept]]:
    """Living processes with the project's mark for which `wanted(pid, environment)` holds."""
    uid = os.getuid()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.uids().real != uid:
                continue
            marks = process.environ()
            if marks.get(Env.PROJECT_DIR) == project and wanted(process.pid, marks) and is_alive(process):
                yield process, Swept(process.pid, marks.get(Env.SERVICE, ""), " ".join(process.cmdline()))


def members(project: str, stack_id: str, service: str) -> list[psutil.Process]:
    """Living processes of one service of one stack: the one that was started and all that came of it."""
    wanted = {Env.STACK_ID: stack_id, Env.SERVICE: service}
    return [process for process, _ in marked(project, lambda _pid, marks: wanted.items() <= marks.items())]


def end(processes: Collection[psutil.Process], *, grace: float) -> None:
    """SIGTERM, wait, SIGKILL, wait."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs([process for process in processes if is_alive(process)], timeout=grace)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs([process for process in left if is_alive(process)], timeout=5)


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; a process that nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _parents() -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process().parents()
    return []
