"""`.sandbox/ledger.jsonl` and, beside it, `ledger.head`: read, and appended to by one process at a time, however that ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from mlsandbox.atomic import remove_leftovers, write_atomic
from mlsandbox.errors import LedgerBroken, LedgerUnwritable
from mlsandbox.ledger.chain import Head, Verified, line, verify
from mlsandbox.ledger.entry import Draft, Entry, entry_of, stamp
from mlsandbox.state import make_sandbox_folder, refuse_links

FILE: Final = "ledger.jsonl"
HEAD: Final = "ledger.head"
_OWNER_ONLY: Final = 0o600
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class Ledger:
    """The ledger of one project."""

    def __init__(self, sandbox: Path, note: Callable[[str], None] | None = None) -> None:
        """Args: sandbox: the project's `.sandbox`; note: told when the rest of an interrupted entry was set aside."""
        self.path = sandbox / FILE
        self.head_path = sandbox / HEAD
        self._sandbox = sandbox
        self._note = note

    def read(self) -> tuple[Entry, ...]:
        """The entries of all lines that are as they were written, in their order; `check` tells of the others."""
        return self.check().entries

    def check(self) -> Verified:
        """Look through all of it; changes nothing, and does not meet an entry that is being written.

        Raises:
            FolderLinked: `.sandbox` is, or holds, a symbolic link.
            LedgerBroken: it cannot be read at all.
        """
        refuse_links(self._sandbox)
        try:
            return self._checked()
        except OSError as error:
            raise LedgerBroken(
                "the ledger cannot be read",
                why=f"{error.strerror or error}: {self.path}",
                fix=f"see what is there: ls -l {quote(str(self._sandbox))}",
                details={"path": str(self.path)},
            ) from error

    def append(self, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write entries, one after the other; each is on the disk, with the head, before the next.

        What was changed by something else stays to be found: the first entry follows what the head says, not what is there.

        Raises:
            FolderLinked: `.sandbox` is, or holds, a symbolic link.
            LedgerUnwritable: they cannot be written; those that were are not taken back.
        """
        with self._refusals(), self._opened() as descriptor:
            checked = verify(_text(descriptor), self._head())
            self._mend(descriptor, checked)
            head, written = checked.head, []
            for draft in drafts:
                entry = entry_of(draft, sequence=head.sequence + 1, time=stamp(time.time()), by=author())
                text, digest = line(entry, head.digest)
                head = Head(entry.sequence, digest)
                self._add(descriptor, text, head)
                written.append(entry)
            return tuple(written)

    def ensure_writable(self, *, room: int = 0) -> None:
        """Find out, before something is changed that must be recorded, whether it can be.

        Args:
            room: bytes that have to fit on its disk, for what is written of the change.

        Raises:
            FolderLinked, LedgerUnwritable: as of `append`.
        """
        self.append(())
        with self._refusals():
            _take_room(self._sandbox, room)

    def _checked(self) -> Verified:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return verify("", self._head())
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            return verify(_text(descriptor), self._head())
        finally:
            os.close(descriptor)

    def _add(self, descriptor: int, text: str, head: Head) -> None:
        """A line and the head that says so; without the head the line goes again: who is told that it was not taken may rely on it."""
        size = os.fstat(descriptor).st_size
        _write(descriptor, f"{text}\n".encode())
        try:
            self._save(head)
        except OSError:
            if self._head() != head:
                os.ftruncate(descriptor, size)
            raise

    def _mend(self, descriptor: int, checked: Verified) -> None:
        """Finish what an interrupted append has left: a part of a line, a line without its break, a head that is one behind."""
        remove_leftovers(self.head_path)
        if checked.torn:
            aside = self.path.with_name(f"{FILE}.torn-{stamp(time.time()).replace(':', '')}")
            part = checked.torn.encode("utf-8", "surrogateescape")
            write_atomic(aside, part, mode=_OWNER_ONLY)
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(part))
            os.fsync(descriptor)
            if self._note is not None:
                self._note(f"an entry of the ledger was interrupted while it was written; what there is of it was set aside in {aside}")
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            _write(descriptor, b"\n")
        if checked.unsaid:
            self._save(checked.head)

    def _save(self, head: Head) -> None:
        write_atomic(self.head_path, json.dumps({"sequence": head.sequence, "digest": head.digest}) + "\n", mode=_OWNER_ONLY)

    def _head(self) -> Head | None:
        try:
            with open(os.open(self.head_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8") as file:  # noqa: PTH123 - by descriptor
                document = json.load(file)
            sequence, digest = document["sequence"], document["digest"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return Head(sequence, digest) if isinstance(sequence, int) and isinstance(digest, str) else None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, made when it is not there, and locked; never one that `down --volumes` removed while its lock was waited for."""
        while True:
            make_sandbox_folder(self._sandbox)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER_ONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), self.path.lstat()):
                        os.fchmod(descriptor, _OWNER_ONLY)
                        if not os.fstat(descriptor).st_size:
                            _sync_folder(self._sandbox)
                        yield descriptor
                        return
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in _FULL
            raise LedgerUnwritable(
                "the ledger takes no entry",
                why=f"{error.strerror or error}: {self.path}",
                fix="make room on its disk, then do the same again; how much there is: sandbox doctor"
                if full
                else f"make it writable, and do the same again: ls -l {quote(str(self._sandbox))}",
                details={"path": str(self.path)},
            ) from error


def author() -> str:
    """Who runs this, as "user@host"; a user without a name is told by number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname() or 'localhost'}"


def _text(descriptor: int) -> str:
    """All of the file; bytes that are no UTF-8 stay what they are, so that their line is the one that is named."""
    size = os.fstat(descriptor).st_size
    content = bytearray()
    while len(content) < size and (read := os.pread(descriptor, size - len(content), len(content))):
        content += read
    return content.decode("utf-8", "surrogateescape")


def _write(descriptor: int, content: bytes) -> None:
    """All of it at the end of the file and on the disk, or nothing."""
    size = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - what a short write means
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _take_room(folder: Path, size: int) -> None:
    """Let a file without a name have so many bytes of the folder's disk, and give them back."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
