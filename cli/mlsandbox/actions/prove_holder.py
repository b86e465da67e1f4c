"""Which process a proof is, in words that another one understands, and whether that process is gone.

A host name and a process id do not tell: containers often have the same name, and each counts its processes for itself. So it is the boot
of the kernel, the namespace in which processes are counted, the number there, and when the process began.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mlsandbox.liveness import is_alive

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_COUNTED: Final = Path("/proc/self/ns/pid")
_AFTER_NAME: Final = 19
"""Of what proc_pid_stat(5) has behind the name, `starttime`."""
_ENDED: Final = ("Z", "X")


def this_process() -> str:
    """This one; empty where the kernel does not say all of it."""
    place, began = _place(), _began(os.getpid())
    return f"{place}/{os.getpid()}/{began}" if place and began else ""


def is_gone(holder: str) -> bool:
    """Whether it is certain that a process is no more, given what `this_process` said in it."""
    place, _, rest = holder.rpartition("/")[0].rpartition("/")
    began = holder.rpartition("/")[2]
    if not place or place != _place() or not (rest.isascii() and rest.isdecimal()):
        return False
    now = _began(int(rest))
    return not is_alive(int(rest)) if now is None else now != began


def _place() -> str:
    """Where processes are counted."""
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()}/{_COUNTED.stat().st_ino}"
    except (OSError, ValueError):
        return ""


def _began(pid: int) -> str | None:
    """When, in the kernel's count; empty of a process that has ended and waits to be noticed, None when it is not to be seen."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "" if not fields or fields[0] in _ENDED else fields[_AFTER_NAME]
