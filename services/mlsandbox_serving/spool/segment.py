"""Segments: the files of a spool, their names, their frames and the lock that says "still being written".

A segment is a sequence of frames: 4 bytes length and 4 bytes CRC-32 of the payload, both big-endian, then the payload:
one entry of the Forward protocol, `[EventTime, record]`, in MessagePack. A delivery is therefore a plain concatenation of payloads.

The writer holds an exclusive `flock` on its segment from before the file gets its name until it moves on or dies.
Whoever gets a shared lock knows that nothing will ever be appended.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

SUFFIX: Final = ".segment"
SEGMENT_BYTES: Final = 8 * 1024 * 1024
"""Size at which a writer starts the next segment."""
MAX_RECORD_BYTES: Final = 32 * 1024 * 1024
"""Largest payload of one frame; a longer length can only be damage."""

_HEADER: Final = struct.Struct(">II")
HEADER_BYTES: Final = _HEADER.size
ENTRY_START: Final = b"\x92\xd7\x00"
"""Every payload begins so: an array of two whose first is an EventTime (fixext 8 of type 0). Never part of valid UTF-8 text."""


class Segment(NamedTuple):
    """A segment as the folder shows it: `name` sorts by the time of its start, `size` in bytes, `modified` in epoch seconds."""

    name: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Frames:
    """Payloads cut out of bytes.

    Attributes:
        payloads: whole, verified payloads in order.
        consumed: bytes up to where reading goes on.
        damaged: bytes among `consumed` that were no whole frame, but for the torn end.
        torn: bytes at the end, among `consumed`, of a frame whose writing was interrupted.
        wanted: bytes from `consumed` on that the next frame needs, when what is there ends inside of it; else 0.
    """

    payloads: list[bytes]
    consumed: int
    damaged: int = 0
    torn: int = 0
    wanted: int = 0


def frame(payload: bytes) -> bytes:
    """The payload with its length and checksum in front."""
    return frames([payload])


def frames(payloads: Iterable[bytes]) -> bytes:
    """The payloads, each with its length and checksum in front."""
    parts: list[bytes] = []
    for payload in payloads:
        parts += (_HEADER.pack(len(payload), zlib.crc32(payload)), payload)
    return b"".join(parts)


def cut(data: bytes, *, final: bool, limit: int = MAX_RECORD_BYTES) -> Frames:
    """Cut `data`, which starts at a frame's begin, into payloads; never raises.

    Args:
        data: bytes of a segment.
        final: nothing follows `data`, ever: what is no frame is damage, and is skipped up to the next whole frame.
            Otherwise reading stops there, since it may be a frame on its way to the disk.
        limit: stop after this many bytes of payload (but give at least one).
    """
    payloads: list[bytes] = []
    position = damaged = taken = 0
    while position < len(data) and taken < limit:
        end = _frame_end(data, position)
        if end is None:
            if not final:
                return Frames(payloads, position, damaged, wanted=_wanted(data, position))
            following = _next_frame(data, position + 1)
            if following == len(data) and _wanted(data, position):
                return Frames(payloads, following, damaged, torn=following - position)
            damaged += following - position
            position = following
            continue
        if payloads and taken + end - position > limit:
            break
        payloads.append(data[position + HEADER_BYTES : end])
        taken += end - position
        position = end
    return Frames(payloads, position, damaged)


def _frame_end(data: bytes, position: int) -> int | None:
    """Where the frame at `position` ends; None when there is no whole, undamaged frame."""
    if position + HEADER_BYTES > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, position)
    start = position + HEADER_BYTES
    # A length of 0 is what a file system leaves behind after a power cut, and its checksum would even be right.
    if not 0 < length <= MAX_RECORD_BYTES or start + length > len(data):
        return None
    return start + length if zlib.crc32(memoryview(data)[start : start + length]) == checksum else None


def _wanted(data: bytes, position: int) -> int:
    if position + HEADER_BYTES > len(data):
        return HEADER_BYTES
    length, _ = _HEADER.unpack_from(data, position)
    complete = position + HEADER_BYTES + length <= len(data)
    return 0 if complete or not 0 < length <= MAX_RECORD_BYTES else HEADER_BYTES + length


def _next_frame(data: bytes, start: int) -> int:
    """Where the next whole frame at or after `start` begins, else the end of `data`."""
    found = data.find(ENTRY_START, start + HEADER_BYTES)
    while found != -1:
        if _frame_end(data, found - HEADER_BYTES) is not None:
            return found - HEADER_BYTES
        found = data.find(ENTRY_START, found + 1)
    return len(data)


def count_frames(path: Path, offset: int = 0) -> int:
    """How many frames lie after `offset`, by their headers alone."""
    data = path.read_bytes()
    count = 0
    while offset + HEADER_BYTES <= len(data):
        length, _ = _HEADER.unpack_from(data, offset)
        offset += HEADER_BYTES + length
        if length == 0 or offset > len(data):
            break
        count += 1
    return count


def segments(folder: Path) -> list[Segment]:
    """All segments of the folder, oldest first; an absent folder has none."""
    return sorted(_scan(folder))


def _scan(folder: Path) -> Iterator[Segment]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        continue  # dropped or delivered in between
                    yield Segment(entry.name, status.st_size, status.st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        return


def remove_leftovers(folder: Path, *, older_than: float) -> None:
    """Remove what killed writers left half begun: hidden files that nobody has written to for `older_than` seconds."""
    for path in folder.glob(".*"):
        try:
            if path.is_file() and time.time() - path.stat().st_mtime > older_than:
                path.unlink()
        except OSError:
            continue  # its writer was quicker, or it is not ours to remove


def is_closed(descriptor: int) -> bool:
    """Whether the segment's writer moved on or is dead; True stays true."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def create(folder: Path, name: str) -> int:
    """A new segment's descriptor, open for appending, locked before anyone else can see the name.

    Raises:
        OSError: full, read-only or otherwise unusable.
    """
    hidden = folder / f".{name}"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(hidden, folder / name)  # noqa: PTH104 - descriptors and os calls side by side
    except BaseException:
        os.close(descriptor)
        hidden.unlink(missing_ok=True)
        raise
    return descriptor
