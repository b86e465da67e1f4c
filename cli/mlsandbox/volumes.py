"""What a project's `.sandbox` holds, and its removal."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MEANINGS: Final = {"data": "events and metrics", "logs": "service output", "bentoml": "packages"}

_LOCK: Final = "lock"


def sizes(sandbox: Path) -> Mapping[str, int]:
    """Bytes of what `down` keeps, by what it is; without what is not there."""
    return {meaning: _size(sandbox / folder) for folder, meaning in _MEANINGS.items() if (sandbox / folder).is_dir()}


def contents(sandbox: Path) -> tuple[str, ...]:
    """What `remove_all` would remove, by name."""
    return tuple(sorted(path.name for path in sandbox.iterdir() if path.name != _LOCK))


def remove_all(sandbox: Path) -> tuple[str, ...]:
    """Remove everything in `.sandbox` and, unless another command has begun to use it, the folder; the caller holds the project's lock.

    Returns:
        What was removed, by name.
    """
    removed = contents(sandbox)
    for path in (sandbox / name for name in removed):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    # Last: from here on others may take a lock of their own.
    (sandbox / _LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        sandbox.rmdir()
    return removed


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total
