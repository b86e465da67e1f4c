"""Run a command on a pseudo-terminal, as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.waiting import HANG_SECONDS


@dataclass(frozen=True)
class Shown:
    """What was on the screen, and the exit code."""

    code: int
    text: str


def on_terminal(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], typed: str = "", columns: int = 100, timeout: float = HANG_SECONDS
) -> Shown:
    """Run `argv` with all three streams on a terminal.

    Args:
        argv: the command.
        cwd: where it runs.
        env: its environment, TERM added.
        typed: what the user types at once.
        columns: width of the terminal.
        timeout: seconds until it is killed and the test fails.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = {"TERM": "xterm-256color", **env}
    for name in ("COLUMNS", "LINES"):
        environ.pop(name, None)
    with subprocess.Popen(list(argv), cwd=cwd, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        if typed:
            os.write(master, typed.encode())
        output, deadline = bytearray(), time.monotonic() + timeout
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while chunk := os.read(master, 65536):
                output += chunk
                if time.monotonic() > deadline:
                    process.kill()
                    raise AssertionError(f"not within {timeout} s: {argv}\n{output.decode(errors='replace')}")
        code = process.wait(timeout=HANG_SECONDS)
    os.close(master)
    return Shown(code, output.decode("utf-8", "replace"))
