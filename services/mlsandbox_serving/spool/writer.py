"""The writing end of a spool: one `write` per event, before the answer leaves the process.

What was appended survives the death of the process (not a power cut: nothing is synced). Nothing here ever fails a request:
what cannot be written is dropped and counted, and `writable` says why.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Final

from mlsandbox_serving.spool import bounds, segment
from mlsandbox_serving.spool.entry import Unencodable, encode

_log = logging.getLogger(__name__)

_OLDEST_SEGMENT_SECONDS: Final = 3600.0
"""A segment is left for a new one after this time, so that what is delivered can be deleted."""
_PROBE_BYTES: Final = 4096
_ENFORCE_SECONDS: Final = 1.0
"""While no segment can be begun, the bounds are looked at no more often than this."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_FULL: Final = _NO_ROOM | {errno.EFBIG}
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class Offered(Enum):
    """What became of an event that its owner keeps until it is written."""

    WRITTEN = auto()
    NOT_NOW = auto()
    """The disk does not take it: it is to be offered again."""
    NEVER = auto()
    """It fits into no spool, and is counted in `dropped`."""


class SpoolWriter:
    """Appends events to segments of its own; several writers, threads and processes may share a folder.

    Args:
        folder: the spool; made (mode 0700) when it is absent.
        max_bytes: bound of the whole folder; past it the oldest segment that nobody writes is dropped.
        worker: tells this writer's segments from those of the others.
        max_age: seconds after which closed segments are dropped, delivered or not; None keeps them.
        segment_bytes: size at which a new segment is begun; by default 8 MiB, less in a small spool.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, worker: str, max_age: float | None = None, segment_bytes: int | None = None
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._segment_bytes = segment_bytes or bounds.segment_bytes_for(max_bytes)
        self._label = re.sub(r"[^A-Za-z0-9_.-]", "_", worker) or "worker"
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._size = 0
        self._started = 0.0
        self._last_name = 0
        self._enforced = float("-inf")
        self._failure: OSError | None = None
        self.dropped: Counter[str] = Counter()
        """Events lost so far by reason: disk_full, read_only, io_error, too_large, unencodable, spool_full, too_old, flood."""
        self.written = 0
        """Events appended so far."""
        _writers.add(self)

    def append(self, record: Mapping[str, object], timestamp: float) -> None:
        """Append one event; when this returns it is written, or counted in `dropped`. Never raises.

        Args:
            record: the event's fields.
            timestamp: epoch seconds.
        """
        self.append_many([(record, timestamp)])

    def append_many(self, events: Sequence[tuple[Mapping[str, object], float]]) -> int:
        """Append events with one write per segment they go to; how many are written."""
        return self._append_all([payload for record, timestamp in events if (payload := self._payload(record, timestamp)) is not None])

    def append_payloads(self, payloads: Sequence[bytes | None]) -> int:
        """Append events that are encoded already, with one write per segment they go to; how many are written. Never raises.

        Args:
            payloads: entries of the Forward protocol, as `entry.encode` makes them; None for one that could not be encoded.
        """
        there = [payload for payload in payloads if payload is not None]
        if len(there) < len(payloads):
            self._drop("unencodable", len(payloads) - len(there))
        return self._append_all(there)

    def offer(self, record: Mapping[str, object], timestamp: float) -> Offered:
        """Append one event whose owner offers it again when it cannot be written now; nothing is lost then, and nothing counted."""
        payload = self._payload(record, timestamp)
        if payload is None or self._is_too_large(payload):
            return Offered.NEVER
        with self._lock:
            return Offered.WRITTEN if self._append([payload], segment.frame(payload)) else Offered.NOT_NOW

    def leave_out(self, reason: str) -> None:
        """Count an event that is not even offered, since there are too many of its kind."""
        with self._lock:
            self._drop(reason, 1)

    def writable(self) -> str | None:
        """None when events can be written, else the reason with the system's own words; tries it anew on each call."""
        with self._lock:
            try:
                self._make_folder()
                self._probe()
            except OSError as error:
                self._fail(error)
                return f"cannot write events to {self._folder}: {error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'EIO')})"
            self._failure = None
            return None

    def close(self) -> None:
        """Leave the segment; it becomes deletable once it is delivered."""
        with self._lock:
            self._leave()

    def __del__(self) -> None:
        self._leave()

    def _payload(self, record: Mapping[str, object], timestamp: float) -> bytes | None:
        try:
            return encode(record, timestamp)
        except Unencodable as error:
            self._drop("unencodable", 1, str(error))
            return None

    def _is_too_large(self, payload: bytes) -> bool:
        if len(payload) <= segment.MAX_RECORD_BYTES:
            return False
        self._drop("too_large", 1, f"{len(payload)} bytes, the limit is {segment.MAX_RECORD_BYTES}")
        return True

    def _append_all(self, payloads: list[bytes]) -> int:
        whole = 0
        for batch in self._batches(payloads):
            data = segment.frames(batch)
            with self._lock:
                written = self._append(batch, data)
                if written < len(batch):
                    self._drop(_reason(self._failure), len(batch) - written)
            whole += written
        return whole

    def _batches(self, payloads: list[bytes]) -> Iterator[list[bytes]]:
        """The payloads in parts of which each fits into a segment, or is a single one."""
        batch: list[bytes] = []
        size = 0
        for payload in payloads:
            framed = segment.HEADER_BYTES + len(payload)
            if batch and size + framed > self._segment_bytes:
                yield batch
                batch, size = [], 0
            if not self._is_too_large(payload):
                batch.append(payload)
                size += framed
        if batch:
            yield batch

    def _append(self, payloads: list[bytes], data: bytes) -> int:
        """Write the frames of payloads to one segment; how many of them are written."""
        written = 0
        try:
            written = self._write(self._segment_for(len(data)), data)
        except OSError as error:
            self._fail(error)
        if written == len(data):
            self._failure = None
        whole = len(payloads)
        if written < len(data):
            whole = self._keep_whole(payloads, written)
            if self._size and self._failure is not None and self._failure.errno in _NO_ROOM:
                self._leave()  # what is in it can be deleted then, once it is delivered: that may be what makes room
        self.written += whole
        return whole

    def _write(self, descriptor: int, data: bytes) -> int:
        written = os.write(descriptor, data)
        if written < len(data):
            # The kernel took a part; asking for the rest tells why, or takes it after all.
            try:
                written += os.write(descriptor, data[written:])
            except OSError as error:
                self._fail(error)
        return written

    def _keep_whole(self, payloads: list[bytes], written: int) -> int:
        """How many frames are whole after a part was written; the torn one is cut off, or else its segment is left for good."""
        whole = end = 0
        while whole < len(payloads) and end + segment.HEADER_BYTES + len(payloads[whole]) <= written:
            end += segment.HEADER_BYTES + len(payloads[whole])
            whole += 1
        self._size += end
        if written > end and self._descriptor is not None:
            try:
                os.ftruncate(self._descriptor, self._size)
            except OSError:
                self._leave()
        return whole

    def _segment_for(self, size: int) -> int:
        """The descriptor of a segment that still takes `size` bytes, begun anew when need be."""
        if self._descriptor is not None:
            status = os.fstat(self._descriptor)
            self._size = status.st_size
            fits = self._size == 0 or self._size + size <= self._segment_bytes
            if fits and status.st_nlink > 0 and time.monotonic() - self._started < _OLDEST_SEGMENT_SECONDS:
                return self._descriptor
            self._leave()
        self._make_folder()
        if self._failure is None or time.monotonic() - self._enforced >= _ENFORCE_SECONDS:
            self._enforced = time.monotonic()
            lost = bounds.enforce(
                self._folder, max_bytes=self._max_bytes, max_age=self._max_age, segment_bytes=self._segment_bytes, reserve=size
            )
            for reason, count in lost.items():
                self._drop(reason, count)
        self._last_name = max(time.time_ns(), self._last_name + 1)
        self._descriptor = segment.create(self._folder, f"{self._last_name:020d}-{self._label}-{os.getpid()}{segment.SUFFIX}")
        self._size = 0
        self._started = time.monotonic()
        return self._descriptor

    def _make_folder(self) -> None:
        if not self._folder.is_dir():
            for folder in (self._folder.parent, self._folder):  # no further up: a project that was moved away must not come back
                folder.mkdir(mode=0o700, exist_ok=True)

    def _probe(self) -> None:
        """Write what a small event needs, beside the segments."""
        path = self._folder / f".probe-{self._label}-{os.getpid()}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if os.write(descriptor, bytes(_PROBE_BYTES)) < _PROBE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _leave(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _fail(self, error: OSError) -> None:
        if self._failure is None or self._failure.errno != error.errno:
            _log.error("cannot write events to %s: %s; they are dropped, or offered again, until it works", self._folder, error)
        self._failure = error

    def _drop(self, reason: str, count: int, why: str = "") -> None:
        if count and not self.dropped[reason]:
            _log.error("events are being dropped (%s) in %s%s", reason, self._folder, f": {why}" if why else "")
        self.dropped[reason] += count

    def _after_fork(self) -> None:
        """In a forked child: the segment and its lock are the parent's; this copy begins its own."""
        self._lock = threading.Lock()
        self._leave()


def _reason(error: OSError | None) -> str:
    if error is not None and error.errno in _DISK_FULL:
        return "disk_full"
    return "read_only" if error is not None and error.errno in _READ_ONLY else "io_error"


_writers: Final[weakref.WeakSet[SpoolWriter]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_writers):
        writer._after_fork()  # noqa: SLF001 - the same module


os.register_at_fork(after_in_child=_after_fork_in_child)
