"""Sockets that the supervisor listens at: those of fronts, and the one at which workers ask for them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

from mlsandbox.supervise.spec import FrontSpec

_BACKLOG: Final = 2_048
"""Connections that wait to be accepted; the system may allow fewer. The same as BentoML's."""
_LONGEST_PATH: Final = 103
"""Bytes of a Unix socket's path: macOS takes 104 with the zero behind them, Linux 108."""


class Taken(Exception):
    """A socket cannot be had; the message says why."""


def bound(spec: FrontSpec) -> socket.socket:
    """A socket that listens where `spec` says.

    Raises:
        Taken: another process listens there, or nobody may.
    """
    if is_taken(spec.port):
        raise _taken(spec)
    try:
        listening = socket.socket(socket.AF_INET6 if ":" in spec.host else socket.AF_INET)
    except OSError as error:
        raise Taken(f"port {spec.port} ({spec.name}) cannot be had: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((spec.host, spec.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise _taken(spec) from error
        raise Taken(f"port {spec.port} ({spec.name}) cannot be had at {spec.host}: {error.strerror}") from error
    listening.setblocking(False)
    return listening


def is_taken(port: int) -> bool:
    """Whether somebody listens there, on either loopback address (a closed connection that lingers does not count)."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError), contextlib.closing(socket.socket(family)) as trial:  # a machine may have no IPv6
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return True
    return False


def _taken(spec: FrontSpec) -> Taken:
    return Taken(f"port {spec.port} ({spec.name}) is taken by another process")


class Meeting:
    """The Unix socket at which workers are heard, for their owner alone.

    Args:
        wished: its path, as long as it can be bound; else it lies in a folder for temporary files.

    Raises:
        OSError: nor can that.
    """

    def __init__(self, wished: Path) -> None:
        self._folder: Path | None = None
        try:
            self.socket, self.path = _listening(wished), wished
        except OSError:  # too long, or on a file system that has no sockets
            self._folder = _private_folder(wished)
            self.path = self._folder / wished.name
            self.socket = _listening(self.path)
        self._made = self.path.stat()

    def remove(self) -> None:
        """Leave nothing of it in the file system."""
        with contextlib.suppress(OSError):
            if os.path.samestat(self.path.stat(), self._made):  # else the folder was deleted, and another supervisor is there
                self.path.unlink()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _listening(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    path.unlink(missing_ok=True)  # of a supervisor that was killed: this one holds the lock
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _private_folder(wished: Path) -> Path:
    """Always the same one for a path, as long as it is ours alone: what a killed supervisor leaves is used, and removed, by the next."""
    name = hashlib.sha256(os.fsencode(wished)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"mlsandbox-{os.getuid()}-{name}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700:
        return folder
    return Path(tempfile.mkdtemp(prefix="mlsandbox-"))
