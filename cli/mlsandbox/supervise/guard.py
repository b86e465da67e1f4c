"""Ends a child together with its parent, even when the parent is killed with SIGKILL.

On Linux a guarded child starts as this file, run by path with a bare interpreter (a few milliseconds): it asks the kernel for
SIGKILL at its parent's death, looks whether the parent is still there, and becomes the real program. Elsewhere the program runs
directly: `sweep` and the polling of SANDBOX_PARENT_PID end what is left over.

The kernel's parent is the *thread* that started the child: start guarded children from a thread that lives as long as they may.
Children of the guarded program are not covered; they watch their own parent.
"""

# Only what a bare interpreter loads in no time: this file runs before every child.
from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def guard_argv(argv: list[str]) -> list[str]:
    """The command that runs `argv` so that it ends when the calling process does."""
    if sys.platform != "linux":
        return argv
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), *argv]  # noqa: PTH100 - pathlib costs 10 ms


def _main() -> None:
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    _die_with_parent()
    if os.getppid() != parent:  # it was gone before the kernel knew our wish
        os._exit(os.EX_UNAVAILABLE)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(2, f"cannot run {argv[0]}: {error.strerror}\n".encode(errors="replace"))
        os._exit(127)


def _die_with_parent() -> None:
    import ctypes  # noqa: PLC0415 - the importing side never needs it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    _main()
