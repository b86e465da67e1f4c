"""Where an export is to lie: a folder, or what can become one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from mlsandbox.errors import AccessDenied, DiskFull, ExportFolderTaken, of_system


def refuse_file(kind: str, folder: Path) -> None:
    """Refuse a place that is a file, or that lies in one.

    Args:
        kind: what is exported, "k8s".
        folder: where to.

    Raises:
        ExportFolderTaken: it is.
    """
    there = _nearest(folder)
    if not there.is_dir():
        raise ExportFolderTaken(
            f"{there} is a file",
            why="An export is a folder of files.",
            fix=f"choose another folder: sandbox export {kind} {quote(f'{there}-{kind}')}",
            details={"folder": str(folder), "files": [there.name]},
        )


def make_folder(folder: Path) -> None:
    """Make it, and those that it lies in.

    Raises:
        AccessDenied: it cannot be made there.
        DiskFull: no room is left.
    """
    there = _nearest(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        known = of_system(error)
        if isinstance(known, DiskFull):
            raise known from error
        raise _closed(f"{folder} cannot be made", there, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _closed(f"{folder} cannot be written", folder, os.strerror(errno.EACCES))


def made_for(folder: Path) -> tuple[Path, ...]:
    """It and the folders around it, from the inside out, that `make_folder` would make now."""
    return tuple(place for place in (folder, *folder.parents) if not place.exists())


def remove_empty(made: Sequence[Path]) -> None:
    """Remove these folders, from the inside out, up to the first that has something in it."""
    with contextlib.suppress(OSError):
        for each in made:
            each.rmdir()


def _closed(what: str, there: Path, reason: str) -> AccessDenied:
    return AccessDenied(
        what,
        why=f"{there} does not take it: {reason}",
        fix=f"choose a folder elsewhere, or look at who may write there: ls -ld {quote(str(there))}",
        details={"path": str(there)},
    )


def _nearest(folder: Path) -> Path:
    """It, or the first of the folders around it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists() or place.parent == place)
