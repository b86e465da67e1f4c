"""Runs a service's Python once more inside of its container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Final

from mlsandbox.errors import CommandFailed, ProgramMissing
from mlsandbox.run import run, stream

_MARK: Final = "SANDBOX_RUN"
"""An environment variable that tells one run from everything else in the container."""
_END_SECONDS: Final = 10.0
_END: Final = f"""
import os, pathlib, signal, sys
wanted = b"{_MARK}=" + sys.argv[1].encode()
for each in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if wanted in (each / "environ").read_bytes().split(b"\\0"):
            os.kill(int(each.name), signal.SIGKILL)
    except OSError:
        pass
"""


def run_inside(container: str, args: Sequence[str], text: str) -> Iterator[str]:
    """The lines that it writes; who closes the iterator ends it.

    Args:
        container: its name.
        args: after the interpreter.
        text: what it reads on standard input.

    Raises:
        CommandFailed: it ended with another exit code than 0.
    """
    mark = token_hex(8)
    argv = ("docker", "exec", "--interactive", "--env", f"{_MARK}={mark}", container, "python", *args)
    try:
        yield from stream(argv, input=text, what=f"running {' '.join(args)} in {container}")
    except (CommandFailed, ProgramMissing):
        raise
    except BaseException:
        with suppress(CommandFailed):  # the container is gone, and all in it, or the engine does not answer
            argv = ("docker", "exec", container, "python", "-c", _END, mark)
            run(argv, what=f"ending what ran in {container}", timeout=_END_SECONDS)
        raise
