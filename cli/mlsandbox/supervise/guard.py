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


def guard_argv(argv: list[str], *, files: int = 0) -> list[str]:
    """The command that runs `argv` so that it ends when the calling process does.

    Args:
        argv: the program.
        files: how many it may open; 0: as many as the calling process.
    """
    if sys.platform != "linux" and not files:
        return argv
    guard = [sys.executable, "-I", "-S", os.path.abspath(__file__)]  # noqa: PTH100 - pathlib costs 10 ms
    return [*guard, str(os.getpid()), str(files), *argv]


def _main() -> None:
    parent, files, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        _die_with_parent()
    if files:
        _may_open(files)
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


def _may_open(files: int) -> None:
    import resource  # noqa: PLC0415 - as above

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


if __name__ == "__main__":
    _main()
