"""A lock between processes on one file; it ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_NO_LOCKS: Final = {errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What file systems say that lock no folders; NFS wants to write what it locks."""


@contextlib.contextmanager
def exclusive(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold `path`'s lock, waiting for as long as another process holds it; `waiting` is called once when there is something to wait for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait(descriptor, waiting)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive_folder(folder: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Like `exclusive`, of a folder that is there, without a file in it: tells whether it still is that folder, once it is held.

    A file system that locks no folders, and a folder that may not be read, are as if nobody else held it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    except PermissionError:
        yield True
        return
    try:
        try:
            _wait(descriptor, waiting)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield _is_same(descriptor, folder)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, waiting: Callable[[], None] | None) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting:
            waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_same(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def exclusive_if_free(path: Path) -> Iterator[bool]:
    """Like `exclusive`, without waiting: tells whether the lock was free and is now held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
