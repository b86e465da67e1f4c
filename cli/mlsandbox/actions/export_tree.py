"""The folder of an export: what is in it is ours, or was changed by hand, or is somebody else's.

`.mlsandbox.json` in the folder remembers the digest of every file as it was written. By that a change by hand is told from an older
version of ours: such files of an overlay are kept, others are written anew. An overlay whose folder was removed by hand stays removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsandbox.actions.export_place import make_folder, refuse_file
from mlsandbox.actions.export_record import RECORD, Record, elsewhere, read_record
from mlsandbox.atomic import remove_leftovers, write_atomic
from mlsandbox.errors import ExportFolderTaken, FolderLinked
from mlsandbox.render.tree import RenderedFile

OVERLAYS: Final = "overlays/"
"""Below here files are the user's once they are changed."""
_MARK: Final = b"Written by mlsandbox"
"""In the first line of every file that can have a comment."""


@dataclass(frozen=True, slots=True)
class TreePlan:
    """What is to be done to a folder."""

    folder: Path
    write: tuple[RenderedFile, ...]
    """New files, and those that are other than they were."""
    remove: tuple[str, ...]
    """Files of earlier exports that are no part of it any more."""
    same: tuple[str, ...]
    """Files that are as they should be."""
    kept: tuple[str, ...]
    """Files of overlays that were changed by hand."""
    edited: tuple[str, ...]
    """Other files that were changed by hand, and are to be written anew or removed."""
    record: Mapping[str, tuple[str, ...]]
    """Digests by path, of all that will be there."""
    kind: str
    """What is exported into it."""
    before: Record
    """What is remembered."""
    interrupted: frozenset[str] = frozenset()
    """Paths of other ways to export it, whose writing was interrupted and still is."""
    left_away: tuple[str, ...] = ()
    """Folders of overlays that were removed by hand, and stay so."""

    @property
    def differs(self) -> bool:
        """Whether the folder is other than it would be."""
        return bool(self.write or self.remove) or (self.record, self.interrupted) != (self.before.files, self.before.writing)

    def apply(self) -> None:
        """Do it, each file in one step. What was interrupted and is done again comes to the same."""
        if not self.differs:
            return
        make_folder(self.folder)
        known, new = self.before.files, {file.path: (digest_of(file.data),) for file in self.write}
        both = {path: tuple(dict.fromkeys((*known.get(path, ()), *new.get(path, ())))) for path in {*known, *new}}
        Record(self.kind, both, self.interrupted.union(new)).write(self.folder)
        for file in self.write:
            path = self.folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, file.data, mode=file.mode, durable=False)
        for stale in self.remove:
            path = self.folder / stale
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, self.folder)
        for written in (*self.record, RECORD):
            remove_leftovers(self.folder / written)
        Record(self.kind, self.record, self.interrupted).write(self.folder)


def plan_tree(folder: Path, files: Sequence[RenderedFile], *, kind: str, covers: Callable[[str], bool] = lambda _: True) -> TreePlan:
    """What makes a folder the tree of these files.

    Args:
        folder: need not be there.
        files: all that is to be in it.
        kind: what is exported, "k8s"; each folder has one.
        covers: whether a path belongs to this way of exporting it; what the others have written stays.

    Raises:
        ExportFolderTaken: a file of somebody else is in the way.
        FolderLinked: a symbolic link in it leads elsewhere.
        ConfigInvalid: what an earlier export has kept of it is damaged.
        StateTooNew: a later version has written it.
    """
    known_before = _own_record(folder, kind)
    before, writing = known_before.files, known_before.writing
    _refuse_strangers(kind, folder, [*(file.path for file in files), *before])
    found = {path: _digest_at(folder / path) for path in {*before, *(file.path for file in files)}}
    strangers = [
        file.path
        for file in files
        if file.path not in before and found[file.path] not in {None, digest_of(file.data)} and not _is_marked(folder / file.path)
    ]
    if strangers:
        raise _taken(kind, folder, strangers)
    away = _left_away(folder, before, writing)
    write: list[RenderedFile] = []
    same, kept, edited = list[str](), list[str](), list[str]()
    record = {path: digests for path, digests in before.items() if not covers(path)}
    for file in files:
        if _overlay_of(file.path) in away:
            record |= {file.path: before[file.path][-1:]} if file.path in before else {}
            continue
        present, digest, known = found[file.path], digest_of(file.data), before.get(file.path, ())
        changed = present is not None and present != digest and present not in known
        if changed and file.path.startswith(OVERLAYS):
            kept.append(file.path)
            record[file.path] = known[-1:] or (digest,)
            continue
        record[file.path] = (digest,)
        edited += [file.path] if changed and known else []
        if present == digest:
            same.append(file.path)
        else:
            write.append(file)
    gone = sorted(path for path in before if covers(path) and path not in record)
    by_hand = [path for path in gone if found[path] not in {None, *before[path]}]
    kept += [path for path in by_hand if path.startswith(OVERLAYS)]
    return TreePlan(
        folder,
        tuple(write),
        tuple(path for path in gone if path not in kept),
        tuple(same),
        tuple(kept),
        (*edited, *(path for path in by_hand if path not in kept)),
        record,
        kind,
        known_before,
        frozenset(path for path in writing if not covers(path)),
        tuple(sorted(away)),
    )


def standing(folder: Path, kind: str) -> frozenset[str]:
    """Paths of files that an export has written there, and that are there."""
    return frozenset(path for path in read_record(folder, kind).files if (folder / path).is_file())


def refuse_beside(folder: Path, name: str, keys: Collection[str], *, kind: str) -> None:
    """Refuse to put a file into the folder that later exports of this kind read, and that no export replaces.

    Args:
        folder: need not be there.
        name: of the file.
        keys: all that an object in it has when it is ours.
        kind: what is exported.

    Raises:
        ExportFolderTaken: the folder holds another kind of export, or that file is somebody else's.
        FolderLinked: it is a symbolic link.
        ConfigInvalid, StateTooNew: as `plan_tree`.
    """
    is_known = bool(_own_record(folder, kind).kind)
    _refuse_strangers(kind, folder, [name])
    try:
        document = json.loads((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        document = {} if is_known else None  # damaged, in a folder of ours
    if not isinstance(document, dict) or not document.keys() <= set(keys):
        raise _taken(kind, folder, [name])


def write_beside(folder: Path, name: str, text: str) -> None:
    """Put a file there that `refuse_beside` lets pass."""
    make_folder(folder)
    write_atomic(folder / name, text, durable=False)


def digest_of(data: bytes) -> str:
    """As the record has it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _own_record(folder: Path, kind: str) -> Record:
    """The record of a folder that is for this kind of export, or for none yet."""
    _refuse_strangers(kind, folder, [RECORD])
    record = read_record(folder, kind)
    if record.kind not in {"", kind}:
        raise ExportFolderTaken(
            f"{folder} holds an export of another kind",
            why=f"It was written by: sandbox export {record.kind}",
            fix=elsewhere(kind, folder, kind),
            details={"folder": str(folder), "files": sorted(record.files)},
        )
    return record


def _digest_at(path: Path) -> str | None:
    try:
        return digest_of(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _overlay_of(path: str) -> str:
    """The folder of the overlay that a file is of; empty of every other file."""
    parts = path.split("/")
    return f"{OVERLAYS}{parts[1]}" if path.startswith(OVERLAYS) and len(parts) > 2 else ""


def _left_away(folder: Path, before: Collection[str], writing: Collection[str]) -> frozenset[str]:
    """Folders of overlays that an export has written, and that are not there beside others that may be."""
    if not (folder / OVERLAYS).is_dir():
        return frozenset()
    written = {_overlay_of(path) for path in before} - {_overlay_of(path) for path in writing} - {""}
    return frozenset(name for name in written if not (folder / name).exists())


def _is_marked(path: Path) -> bool:
    with path.open("rb") as file:
        return _MARK in file.readline(300)


def _refuse_strangers(kind: str, folder: Path, paths: Collection[str]) -> None:
    """What is no plain file where files are to be, and no folder where folders are to be."""
    refuse_file(kind, folder)
    for path in sorted(paths):
        place = folder
        parts = path.split("/")
        for part in parts:
            place = place / part
            if place.is_symlink():
                raise FolderLinked(
                    f"{place} is a symbolic link",
                    why="An export would write where it leads, which may be anywhere.",
                    fix=f"remove the link, or {elsewhere(kind, folder)}",
                    details={"path": str(place)},
                )
        if place.is_dir() or any(parent.is_file() for parent in place.parents if parent.is_relative_to(folder)):
            raise _taken(kind, folder, [path])


def _taken(kind: str, folder: Path, paths: Sequence[str]) -> ExportFolderTaken:
    """These files are in the way; without any, the folder is no folder."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return ExportFolderTaken(
        f"{folder.joinpath(*paths[:1])}{more} would be replaced, and no export has written it",
        why="\n".join(paths or [folder.name]),
        fix=f"{elsewhere(kind, folder)}   or move the files away",
        details={"folder": str(folder), "files": list(paths)},
    )


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
