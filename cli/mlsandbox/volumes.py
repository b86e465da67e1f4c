"""What a project's `.sandbox` holds, and its removal."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MEANINGS: Final = {"data": "events and metrics", "logs": "service output", "bentoml": "packages"}

_DATA: Final = "data"
_LOCK: Final = "lock"


def sizes(sandbox: Path) -> Mapping[str, int]:
    """Bytes of what `down` keeps, by what it is; without what is not there."""
    return {meaning: folder_size(sandbox / folder) for folder, meaning in _MEANINGS.items() if (sandbox / folder).is_dir()}


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


def data_size(sandbox: Path, name: str) -> int:
    """Bytes of one folder of events or metrics; 0 when it is not there."""
    return folder_size(sandbox / _DATA / name)


def remove_data(sandbox: Path, name: str) -> None:
    """Remove one folder of events or metrics, if it is there."""
    folder = sandbox / _DATA / name
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += 0 if path.is_dir() else path.lstat().st_size
    return total
