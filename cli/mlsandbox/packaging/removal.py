"""Removing packages of a project: the bento, and the model's files when no other package needs them.

A package is moved out of the store in one step before it is deleted, so that none is ever half there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.file_lock import exclusive
from mlsandbox.packaging.package import Package, read_package, store_path
from mlsandbox.volumes import folder_size

_PREFIX: Final = "removed-"


@dataclass(frozen=True, slots=True)
class Removable:
    """A package that goes, and what goes with it."""

    package: Package
    folders: tuple[Path, ...]
    """In the store: the bento; the model's files when no package needs them any more."""
    size_bytes: int
    """Of these."""


def removable(root: Path, going: Sequence[Package]) -> tuple[Removable, ...]:
    """What goes with each of these packages when all of them go, in their order; changes nothing.

    Args:
        root: the project's folder.
        going: packages of whichever models of the project.
    """
    gone = {package.bento_path for package in going}
    needed = {package.model_folder for package in _all_packages(root) if package.bento_path not in gone}
    found = []
    for package in going:
        shared = package.model_folder in needed or not package.model_folder.is_dir()
        folders = (package.bento_path, *(() if shared else (package.model_folder,)))
        needed.add(package.model_folder)  # of several that go it is counted once
        found.append(Removable(package, folders, sum(folder_size(folder) for folder in folders)))
    return tuple(found)


@contextmanager
def taken_out(root: Path, folders: Sequence[Path]) -> Iterator[None]:
    """Take folders out of the store; they come back when the body raises, and are deleted when it does not.

    The caller holds the lock of `no_packaging`.
    """
    parent = root / ".sandbox" / "tmp"
    parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    moved: list[tuple[Path, Path]] = []
    try:
        for number, folder in enumerate(folders):
            place = aside / str(number)
            folder.rename(place)
            moved.append((folder, place))
        yield
    except BaseException:
        for folder, place in reversed(moved):
            place.rename(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _forget_latest({folder.parent for folder in folders})


@contextmanager
def no_packaging(root: Path) -> Iterator[None]:
    """Nobody packages a model of the project meanwhile: a new package might need files that go."""
    with exclusive(root / ".sandbox" / "packaging.lock"):
        yield


def _all_packages(root: Path) -> Iterator[Package]:
    for bento in sorted((store_path(root) / "bentos").glob("*/*")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            yield read_package(bento)


def _forget_latest(parents: Collection[Path]) -> None:
    """BentoML's own note of the newest of a name must not name one that is gone."""
    for parent in parents:
        note = parent / "latest"
        with suppress(OSError):
            if not (parent / note.read_text(encoding="utf-8").strip()).is_dir():
                note.unlink()
