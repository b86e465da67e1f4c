"""A damaged SQLite database is moved out of the way, so that its owner can begin a new one and nothing is destroyed."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

_KEPT: Final = 3
_PARTS: Final = ("", "-wal", "-shm")


def set_aside(path: Path) -> Path:
    """Rename a closed database and its companions; the last three that were set aside are kept.

    Args:
        path: "…/events.sqlite3".

    Returns:
        Where it is now: "…/events.corrupt-<nanoseconds>.sqlite3".

    Raises:
        OSError: it cannot be renamed.
    """
    aside = path.with_name(f"{path.stem}.corrupt-{time.time_ns()}{path.suffix}")
    for part in _PARTS:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{part}").rename(f"{aside}{part}")
    for old in sorted(path.parent.glob(f"{path.stem}.corrupt-*{path.suffix}"))[:-_KEPT]:
        for part in _PARTS:
            Path(f"{old}{part}").unlink(missing_ok=True)
    return aside
