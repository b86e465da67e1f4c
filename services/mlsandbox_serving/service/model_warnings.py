"""What Python itself writes of a model's code to the process's output, which is kept as a log: without texts that may repeat values.

Warnings, exceptions that end a thread, and those that nobody can catch (of `__del__`, of callbacks in C) are written to standard error
by hooks that anybody may replace: `warnings.showwarning`, `threading.excepthook` and `sys.unraisablehook` of Python's library.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from typing import Any, Final, TextIO

from mlsandbox_serving.record import stack_trace
from mlsandbox_serving.shown import spelled

_log = logging.getLogger(__name__)
_LONGEST_PLACE: Final = 500
_MOST_PLACES: Final = 1_000
_told: set[tuple[str, str, int]] = set()
"""Warnings by name and place: each is told once, since their texts, by which Python tells them apart, are not told."""


def quiet_warnings() -> None:
    """From now on tell warnings by category and place, and exceptions without their messages. For the whole process."""
    warnings.showwarning = _warned
    threading.excepthook = _thread_ended
    sys.unraisablehook = _unraisable


def _warned(  # noqa: PLR0917 - the arguments are Python's
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del message, file, line
    place = (spelled(category.__name__), spelled(" ".join(str(filename)[:_LONGEST_PLACE].split())), lineno)
    if place in _told or len(_told) >= _MOST_PLACES:
        return
    _told.add(place)
    _log.warning("the model's code warns: %s at %s:%d (text not logged)", *place)


def _thread_ended(args: Any) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):  # which ends a thread as it ends a program
        _log.error("a thread ended:\n%s", stack_trace(args.exc_value, texts=False))


def _unraisable(args: Any) -> None:
    if args.exc_value is not None:
        _log.error("an exception could not be raised:\n%s", stack_trace(args.exc_value, texts=False))
