"""Events on disk until Elasticsearch has them: files that are appended to, then written out and removed, oldest first."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import msgpack


class Overflow(Exception):
    """The buffer is full; nothing of the message was stored."""


class Event(NamedTuple):
    """One event: where it came from, its envelope's time in epoch seconds, and itself."""

    tag: str
    time: float
    record: dict[str, Any]


@dataclass
class Chunk:
    """One file."""

    path: Path
    size: int
    created: float

    def events(self) -> Iterator[Event]:
        """The events; what a crash left half-written at the end was never acknowledged, and is skipped."""
        with self.path.open("rb") as file:
            for event in msgpack.Unpacker(file, raw=False, strict_map_key=False, unicode_errors="surrogateescape"):
                yield Event(*event)


class FileBuffer:
    """A bounded queue of chunks; for several threads.

    Args:
        folder: where the files are.
        total_limit: bytes of all chunks.
        chunk_limit: bytes after which a new chunk is begun.
        overflow: what is done when full, in Fluentd's words.
    """

    def __init__(self, folder: Path, *, total_limit: int, chunk_limit: int, overflow: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._chunk_limit, self.total_limit, self._overflow = folder, chunk_limit, total_limit, overflow
        self._changed = threading.Condition()
        self._staged: Chunk | None = None
        self._file: FileIO | None = None
        self.queue = [Chunk(path, path.stat().st_size, path.stat().st_mtime) for path in sorted(folder.glob("chunk.*.log"))]
        self._next = int(self.queue[-1].path.name.split(".")[1]) + 1 if self.queue else 1

    @property
    def queued_bytes(self) -> int:
        return sum(chunk.size for chunk in list(self.queue))

    @property
    def staged_bytes(self) -> int:
        staged = self._staged
        return staged.size if staged else 0

    def append(self, events: list[Event]) -> None:
        """Store events; they are on the disk when this returns.

        Raises:
            Overflow: no room, and the configuration says to refuse.
            OSError: the disk is full; nothing of the message was stored.
        """
        packed = b"".join(msgpack.packb(event, unicode_errors="surrogateescape") for event in events)
        with self._changed:
            self._make_room(len(packed))
            if self._staged is None:
                path = self._folder / f"chunk.{self._next:012d}.log"
                self._next += 1
                self._staged, self._file = Chunk(path, 0, time.time()), path.open("ab", buffering=0)
                _sync_folder(self._folder)
            assert self._file is not None
            _write_whole(self._file, packed, self._staged.size)
            self._staged.size += len(packed)
            if self._staged.size >= self._chunk_limit:
                self._enqueue()

    def next_chunk(self, older_than: float) -> Chunk | None:
        """The oldest chunk; the one that is still written to only when it is older than so many seconds."""
        with self._changed:
            if not self.queue and self._staged and time.time() - self._staged.created >= older_than:
                self._enqueue()
            return self.queue[0] if self.queue else None

    def purge(self, chunk: Chunk) -> None:
        """Remove a chunk that was written out."""
        with self._changed:
            if chunk in self.queue:  # else it was dropped to make room meanwhile
                self.queue.remove(chunk)
            chunk.path.unlink(missing_ok=True)
            self._changed.notify_all()

    def _make_room(self, size: int) -> None:
        while self.queued_bytes + self.staged_bytes + size > self.total_limit:
            if self._overflow == "block":
                self._changed.wait(1.0)
            elif self._overflow == "drop_oldest_chunk" and (self.queue or self._staged):
                if not self.queue:
                    self._enqueue()
                self.queue.pop(0).path.unlink(missing_ok=True)
            else:
                raise Overflow(f"buffer space has too many data: {self.total_limit} bytes are the limit")

    def _enqueue(self) -> None:
        assert self._staged is not None
        assert self._file is not None
        self._file.close()
        self.queue.append(self._staged)
        self._staged = self._file = None


def _write_whole(file: FileIO, packed: bytes, size: int) -> None:
    """Append all of it to a file of that size, or nothing: what comes after half an event could not be read."""
    rest = memoryview(packed)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        os.fdatasync(file.fileno())
    except OSError:
        file.truncate(size)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
