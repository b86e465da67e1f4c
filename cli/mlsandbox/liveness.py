"""Whether a process is there: what a killed one has left may be removed, what a living one writes may not."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has that number; also one of somebody else."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number that large
        return False
    except PermissionError:
        return True
    return True
