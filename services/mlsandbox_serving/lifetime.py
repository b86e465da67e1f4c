"""A process that ends when its parent does, however the parent ended."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import sys
import threading
import time
from typing import Final

from mlsandbox_serving.contract import Env

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.25
_PR_SET_PDEATHSIG: Final = 1


def end_with_parent(parent: int | None = None, *, grace: float = 1.0, kernel: bool = False) -> None:
    """From now on this process ends as soon as its parent, or the process named by SANDBOX_PARENT_PID, is gone.

    First SIGTERM to itself, so that work in hand is finished; after `grace` seconds it ends in any case.

    Args:
        parent: process id that the parent must have, for a parent that may have died before this call; default: the parent it has now.
        grace: seconds to finish in.
        kernel: also ask the kernel (Linux) for SIGKILL at the parent's death, which even a process stuck in native code obeys.
            To the kernel the parent is the thread that started the child: only right when that thread lives as long as the process.
    """
    direct = os.getppid() if parent is None else parent
    watched = {direct}
    named = os.environ.get(Env.PARENT_PID, "")
    if named.isdecimal():
        watched.add(int(named))
    watched.discard(os.getpid())
    if kernel:
        _ask_kernel()
    if os.getppid() != direct:
        os._exit(os.EX_UNAVAILABLE)  # it died before anything could be watched
    for pid in watched:
        threading.Thread(target=_watch, args=(pid, direct, grace), name=f"parent {pid}", daemon=True).start()


def _watch(pid: int, direct: int, grace: float) -> None:
    _wait_until_gone(pid, direct)
    _log.warning("process %d, which this one belongs to, is gone: stopping", pid)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os._exit(os.EX_UNAVAILABLE)


def _wait_until_gone(pid: int, direct: int) -> None:
    descriptor = _open_process(pid)
    if descriptor is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        # The kernel wakes us; the time limit is for parents that are reparented away without ending (a namespace's init).
        while not poll.poll(_POLL_SECONDS * 1000) and not (pid == direct and os.getppid() != pid):
            pass
        return
    while _is_alive(pid) and not (pid == direct and os.getppid() != pid):
        time.sleep(_POLL_SECONDS)


def _open_process(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends (Linux 5.3 and later); None where that does not exist."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ask_kernel() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
