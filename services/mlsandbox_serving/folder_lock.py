"""One process alone in a folder: a lock that ends with the process that has it, however that ends."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Final

FILE: Final = "lock"
"""What is locked; it stays, for whoever comes next has to lock the same file."""

_log = logging.getLogger(__name__)


class FolderLock:
    """The lock of a folder.

    Args:
        folder: made (mode 0700) when it is absent.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Whether this process may go on: it has the lock now, or the file system knows none, which is warned of."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            _log.warning("cannot lock %s (%s): nothing keeps a second process from writing there", self._folder, error)
        return True

    def release(self) -> None:
        """Let the next one have it."""
        os.close(self._descriptor)
