"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from mlsandbox.liveness import is_alive


def write_atomic(path: Path, content: str | bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace `path` by `content` (texts in UTF-8) in one step; a reader sees the old content or the new, never a part.

    Args:
        path: its folder must exist.
        content: what it is to hold.
        mode: permissions, whatever the umask.
        durable: reach the disk before returning (for state that must survive a power cut).

    Raises:
        OSError: as the file system says; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:  # noqa: PTH123 - by descriptor
            os.fchmod(file.fileno(), mode)
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def remove_leftovers(path: Path) -> None:
    """Remove what `write_atomic` has left beside `path` when its process was killed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        writer = left.name.removesuffix(".tmp").rpartition(".")[2]
        if writer.isdecimal() and not is_alive(int(writer)):
            left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
