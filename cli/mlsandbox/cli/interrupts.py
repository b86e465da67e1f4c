"""Ctrl-C and SIGTERM: one line at once, then the command cleans up; a second Ctrl-C ends it on the spot."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from mlsandbox.errors import Exit
from mlsandbox.output import write_now

_SHOW_CURSOR = "\x1b[?25h"


def install() -> None:
    """Handle both signals from now on, in the main thread."""
    signal.signal(signal.SIGINT, _on_interrupt)
    signal.signal(signal.SIGTERM, _on_terminate)


@contextmanager
def as_normal_end() -> Iterator[None]:
    """Inside, Ctrl-C is how the command is meant to end: nothing is said, and it has succeeded."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield
    signal.signal(signal.SIGINT, before)


def too_late() -> None:
    """From here on all is done and only has to be said: Ctrl-C ends nothing that a result would not say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _on_second)
    write_now(f"{_new_line()}Stopping… (Ctrl-C again to force)")
    raise KeyboardInterrupt


def _on_second(_number: int, _frame: FrameType | None) -> NoReturn:
    write_now(f"{_SHOW_CURSOR if sys.stderr.isatty() else ''}Forced.")
    os._exit(Exit.INTERRUPTED)


def _on_terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    write_now(f"{_new_line()}Stopping…")
    raise SystemExit(int(Exit.TERMINATED))


def _new_line() -> str:
    """A terminal shows ^C, and perhaps a spinner, on the line we are on."""
    return "\r\x1b[K" if sys.stderr.isatty() else ""
