"""The reading end of a spool: batches of whole entries from where a sink stands, out of all segments, oldest first."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.spool import segment
from mlsandbox_serving.spool.segment import Frames

_log = logging.getLogger(__name__)

BATCH_BYTES: Final = 1024 * 1024
"""About as much goes to a sink in one message; one larger event goes alone."""


class Batch(NamedTuple):
    """Entries of one segment; once they are acknowledged the sink stands at `end`. Without entries there was only damage to skip.

    `start` and `end` are bytes of the segment, `damaged` of them held no whole event.
    """

    segment: str
    entries: list[bytes]
    start: int
    end: int
    damaged: int


def next_batch(folder: Path, position: Callable[[str], int], *, without: Collection[str] = (), limit: int = BATCH_BYTES) -> Batch | None:
    """The oldest entries that a sink has not acknowledged; None when there are none.

    Args:
        folder: the spool.
        position: acknowledged bytes of a segment, by its name.
        without: names of segments that are left alone.
        limit: bytes of a batch; at least one entry is given.
    """
    for found in segment.segments(folder):
        if found.name in without:
            continue
        start = position(found.name)
        if start < found.size:
            batch = _read_segment(folder / found.name, start, limit)
            if batch is not None:
                return batch
    return None


def pending_bytes(folder: Path, position: Callable[[str], int]) -> int:
    """Bytes in the spool that a sink has not acknowledged."""
    return sum(max(found.size - position(found.name), 0) for found in segment.segments(folder))


def _read_segment(path: Path, start: int, limit: int) -> Batch | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # dropped in between
    try:
        closed = segment.is_closed(descriptor)  # asked before reading: then what is read is all there will ever be
        frames = _cut(descriptor, start, limit, closed=closed)
    finally:
        os.close(descriptor)
    if not frames.consumed:
        return None
    if frames.damaged:
        _log.warning("skipped %d bytes of %s that are no whole event", frames.damaged, path)
    return Batch(path.name, frames.payloads, start, start + frames.consumed, frames.damaged)


def _cut(descriptor: int, start: int, limit: int, *, closed: bool) -> Frames:
    remaining = max(os.fstat(descriptor).st_size - start, 0)
    limit = max(limit, segment.HEADER_BYTES)
    frames = segment.cut(_read(descriptor, start, min(limit, remaining)), final=False, limit=limit)
    if not frames.consumed and limit < frames.wanted <= remaining:
        frames = segment.cut(_read(descriptor, start, frames.wanted), final=False, limit=limit)
    if not frames.consumed and closed:
        frames = segment.cut(_read(descriptor, start, remaining), final=True, limit=limit)
    return frames


def _read(descriptor: int, start: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(descriptor, size, start)):
        parts.append(part)
        start += len(part)
        size -= len(part)
    return b"".join(parts)
