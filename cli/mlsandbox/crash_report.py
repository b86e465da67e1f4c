"""Writes down an unexpected error, so that its user need not read a traceback and can still report it."""

from __future__ import annotations

import platform
import shlex
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import SandboxError, UnexpectedError, of_system
from mlsandbox.registry import state_folder
from mlsandbox.run import mask_passwords


def explained(error: Exception, words: Sequence[str]) -> SandboxError:
    """An exception that is no SandboxError, as one: what the system refused, else a mistake of ours with its report.

    Args:
        error: what was raised.
        words: after `sandbox`.
    """
    known = of_system(error) if isinstance(error, OSError) else None
    if known is not None:
        return known
    try:
        why = f"The details are in {write_crash_report(error, words)}"
    except OSError as problem:
        why = f"The details could not be written down: {problem}"
    return UnexpectedError(
        f"something went wrong that should not: {type(error).__name__}: {mask_passwords(str(error))}",
        why=why,
        fix=f"see it all with: {' '.join(['sandbox', '--debug', *words])}   and report it with that file",
    )


def write_crash_report(error: BaseException, words: Sequence[str]) -> Path:
    """Write the traceback, the command and the versions to a file in the state folder; its path."""
    now = datetime.now(UTC)
    text = "\n".join(
        [
            f"time: {now.isoformat(timespec='seconds')}",
            f"command: sandbox {shlex.join(words)}",
            f"versions: mlsandbox {version('mlsandbox')}, Python {sys.version.split()[0]}",
            f"platform: {platform.system()} {platform.release()} {platform.machine()}",
            "",
            *traceback.format_exception(error),
        ]
    )
    path = log_folder() / f"error-{now:%Y%m%dT%H%M%S}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, mask_passwords(text), mode=0o600)
    return path


def log_folder() -> Path:
    """Where reports of unexpected errors lie."""
    return state_folder() / "log"
