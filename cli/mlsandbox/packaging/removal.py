"""Removing packages of a project: the bento, and the model's files when no other package needs them.

A package is moved out of the store in one step before it is deleted, so that none is ever half there. What a killed command has
moved out and not deleted is found again by the note that lies beside it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.atomic import write_atomic
from mlsandbox.file_lock import exclusive
from mlsandbox.packaging.package import Package, read_package, store_path
from mlsandbox.volumes import folder_size

_PREFIX: Final = "removed-"
_PLACES: Final = "places.json"
"""Where each folder was, relative to the project's; the folders beside it are named by their place in this list."""


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
    write_atomic(aside / _PLACES, json.dumps([folder.relative_to(root).as_posix() for folder in folders]))
    try:
        for number, folder in enumerate(folders):
            folder.rename(aside / str(number))
        yield
    except BaseException:
        _put_back(root, aside)
        raise
    finally:
        _forget_latest({folder.parent for folder in folders})
    shutil.rmtree(aside, ignore_errors=True)


def interrupted(root: Path) -> tuple[Path, ...]:
    """Where packages lie that a killed command took out of the store; the caller holds the lock of `no_packaging`, or only looks."""
    return tuple(sorted((root / ".sandbox" / "tmp").glob(f"{_PREFIX}*")))


def settle(root: Path, aside: Path, removed: Callable[[Package], bool]) -> Package | None:
    """Delete what was taken out of the store, when it is known as removed, or else put it back.

    The caller holds the lock of `no_packaging`.

    Args:
        root: the project's folder.
        aside: one of `interrupted`.
        removed: whether a package is known as removed.

    Returns:
        The package that is back; None when there is none.
    """
    try:
        package = read_package(aside / "0")
    except (OSError, ValueError, KeyError, TypeError):
        package = None  # deleted in part, or never moved: nothing of it was recorded, or all of it
    if package is None or removed(package):
        shutil.rmtree(aside, ignore_errors=True)
        return None
    _put_back(root, aside)
    return package


def _put_back(root: Path, aside: Path) -> None:
    places = json.loads((aside / _PLACES).read_text(encoding="utf-8"))
    for number, place in reversed(list(enumerate(places))):
        if (aside / str(number)).is_dir():
            (aside / str(number)).rename(root / place)
    shutil.rmtree(aside, ignore_errors=True)


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
