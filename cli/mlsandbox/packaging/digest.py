"""Digests: of files (remembered while a file is untouched), of folders, and of JSON values."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.packaging.inspect import ModelFile, digest_of

_SKIPPED: Final = frozenset({"__pycache__", ".DS_Store", ".git"})


class FileDigests:
    """SHA-256 of files, hashed anew only when path, size, modification time or inode differ from the last time.

    Good for telling quickly that nothing changed; what is about to be served is verified by real hashes (`verify_package`).
    """

    def __init__(self, memory: Path) -> None:
        """`memory` is the file that remembers; it need not exist."""
        self._memory = memory
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads(memory.read_text(encoding="utf-8"))
            self._known = loaded if isinstance(loaded, dict) else {}

    def sha256(self, path: Path) -> str:
        """Hex digest of a file's content."""
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self._known.get(str(path))
        if isinstance(known, list) and known[:-1] == stamp:
            return str(known[-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[str(path)] = [*stamp, digest]
        self._changed = True
        return digest

    def files(self, path: Path) -> tuple[ModelFile, ...]:
        """A file, or every file of a folder, with digests; paths relative to the file's folder, or to the folder itself."""
        base = path if path.is_dir() else path.parent
        return tuple(ModelFile(each.relative_to(base).as_posix(), self.sha256(each), each.stat().st_size) for each in walk(path))

    def tree(self, paths: Iterable[Path]) -> str:
        """One digest over the names and contents of files and folders, wherever they lie."""
        return digest_of([file for path in paths for file in self.files(path)])

    def save(self) -> None:
        """Remember for the next command."""
        if self._changed:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._memory, json.dumps(self._known), durable=False)
            self._changed = False


def walk(path: Path) -> Iterator[Path]:
    """The file itself, or the files below a folder in a fixed order, without bytecode."""
    if not path.is_dir():
        yield path
        return
    for each in sorted(path.rglob("*")):
        if each.is_file() and not _SKIPPED.intersection(each.relative_to(path).parts) and each.suffix != ".pyc":
            yield each


def json_digest(value: object) -> str:
    """The digest of a JSON value ("sha256:…"), the same for equal values on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
