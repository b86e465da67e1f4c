"""Rendered files, and the one function that writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlsandbox.atomic import write_atomic

_MANIFEST = ".rendered.json"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file that is to be."""

    path: str
    """Relative to the tree's root, with "/"."""
    content: str | bytes
    mode: int = 0o644

    @property
    def data(self) -> bytes:
        """Its content as it is written: texts in UTF-8."""
        return self.content.encode() if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """The content of a text file."""
        return self.content if isinstance(self.content, str) else self.content.decode()


def write_tree(root: Path, files: Sequence[RenderedFile]) -> None:
    """Write all files, each in one step; what is already as it should be is not touched.

    Files of earlier calls that are not among them stay until `prune_tree`: something may still run from them.

    Raises:
        ValueError: a path that leads out of the tree.
    """
    for file in files:
        path = _inside(root, file.path)
        if not _is_written(path, file):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, file.data, mode=file.mode, durable=False)
    _write_manifest(root, {*_read_manifest(root), *(file.path for file in files)})


def outdated(root: Path, files: Iterable[RenderedFile]) -> tuple[RenderedFile, ...]:
    """Those of these files that are there and hold something else, as they are there."""
    there = [(file, _inside(root, file.path)) for file in files]
    return tuple(
        RenderedFile(file.path, path.read_bytes(), file.mode) for file, path in there if path.is_file() and not _is_written(path, file)
    )


def write_over(path: Path, text: str) -> None:
    """Write a file in place, which needs no room unless it becomes longer; who is killed meanwhile leaves half of it."""
    with path.open("r+b") as file:
        file.write(text.encode())
        file.truncate()


def prune_tree(root: Path, files: Iterable[RenderedFile]) -> None:
    """Remove what earlier calls wrote and is not among `files`; nobody else's files are touched, folders go when they are empty."""
    kept = {file.path for file in files}
    for stale in sorted(set(_read_manifest(root)) - kept):
        path = _inside(root, stale)
        path.unlink(missing_ok=True)
        for cache in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            cache.unlink(missing_ok=True)
        _remove_empty(path.parent / "__pycache__", root)
        _remove_empty(path.parent, root)
    _write_manifest(root, kept)


def open_folder(root: Path, folder: str) -> None:
    """Let other users of this machine into a folder of the tree, whatever the umask was: a container's user is another one."""
    for path in (_inside(root, folder), *_inside(root, folder).rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def _inside(root: Path, path: str) -> Path:
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
        raise ValueError(f"{path!r} leads out of the tree")
    return root.joinpath(*parts)


def _is_written(path: Path, file: RenderedFile) -> bool:
    try:
        return path.stat().st_mode & 0o777 == file.mode and path.read_bytes() == file.data
    except OSError:
        return False


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _read_manifest(root: Path) -> list[str]:
    try:
        paths = json.loads((root / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []


def _write_manifest(root: Path, paths: set[str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    write_atomic(root / _MANIFEST, json.dumps(sorted(paths), indent=0) + "\n", durable=False)
