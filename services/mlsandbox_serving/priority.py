"""Processes that deliver and store events give way to those that answer requests: what they do can wait, and the spool keeps it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

NICE: Final = 10
"""Of a busy processor such a process gets about a tenth of what one that answers requests gets."""
_AUTOGROUP: Final = Path("/proc/self/autogroup")
"""Where Linux groups processes by their session, niceness counts within the group alone, and the group has one of its own (sched(7))."""


def give_way() -> None:
    """Lower the priority of this process, and of its session when that is all its own. To be called before any thread is started."""
    with contextlib.suppress(OSError):  # a container may forbid what every process may do
        if os.getpriority(os.PRIO_PROCESS, 0) < NICE:
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
    if os.getsid(0) == os.getpid():  # else it would be the terminal's, with all that runs there
        with contextlib.suppress(OSError):  # no such groups here, or not for us
            _AUTOGROUP.write_text(str(NICE))
