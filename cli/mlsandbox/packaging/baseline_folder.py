"""The folder of a baseline on disk: it is replaced as a whole, so that a command that is killed leaves the former one or none.

The new folder is written beside its place and renamed into it. Whatever else lies in the folder is somebody's own, and stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mlsandbox.atomic import write_atomic
from mlsandbox_serving.contract import ProfileFile

OWN: Final = (ProfileFile.BASELINE, *ProfileFile.ALL)
"""What says that it is a baseline, and the files of its profile."""


def kept_files(folder: Path) -> dict[str, bytes]:
    """The files of a baseline that are there, whole or not, by name."""
    return {name: (folder / name).read_bytes() for name in OWN if (folder / name).is_file()}


def linked(folder: Path) -> list[str]:
    """Names of what is a link in a baseline, the folder itself among them: it may point anywhere."""
    return [place.name for place in (folder, *(folder / name for name in OWN)) if place.is_symlink()]


def has_left(folder: Path) -> bool:
    """Whether something of a baseline is there, be it what a killed command left."""
    return any(place.exists() for place in (*(folder / name for name in OWN), _new(folder), _old(folder)))


def put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace a baseline by these files; none remove it.

    Raises:
        OSError: as the file system says; the former one is there then.
    """
    _settle(folder)
    if not files:
        _remove(folder)
        return
    new, old = _new(folder), _old(folder)
    try:
        new.mkdir(parents=True)
        for name, content in files.items():
            write_atomic(new / name, content)
        if folder.is_dir():
            _copy_others(folder, new)
            folder.rename(old)
        new.rename(folder)
    finally:
        _settle(folder)


def _settle(folder: Path) -> None:
    """Finish or undo what was begun: a former folder without a new one in its place goes back, everything else beside it goes."""
    if _old(folder).is_dir() and not folder.exists():
        _old(folder).rename(folder)
    for left in (_new(folder), _old(folder)):
        if left.is_symlink():
            left.unlink()
        elif left.exists():
            shutil.rmtree(left)


def _remove(folder: Path) -> None:
    if folder.is_symlink():  # what it points to is somebody's own
        folder.unlink()
        return
    for name in OWN:  # the description first: without it there is none
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _copy_others(folder: Path, new: Path) -> None:
    for other in folder.iterdir():
        if other.name in OWN:
            continue
        if other.is_dir() and not other.is_symlink():
            shutil.copytree(other, new / other.name, symlinks=True)
        else:
            shutil.copy2(other, new / other.name, follow_symlinks=False)


def _new(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.new")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
