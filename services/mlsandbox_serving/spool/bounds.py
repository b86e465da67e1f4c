"""What a spool may keep: past its bytes or its age the oldest segment that nobody writes is dropped, and what it held is counted."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Final

from mlsandbox_serving.spool import cursor, segment

SPOOL_FULL: Final = "spool_full"
TOO_OLD: Final = "too_old"


def segment_bytes_for(max_bytes: int) -> int:
    """The size of a segment in a spool of `max_bytes`: small enough that dropping one loses an eighth at most."""
    return max(min(segment.SEGMENT_BYTES, max_bytes // 8), 1)


def enforce(folder: Path, *, max_bytes: int, max_age: float | None, segment_bytes: int, reserve: int = 0) -> Counter[str]:
    """Drop the oldest closed segments until the rest and `reserve` bytes fit.

    A segment that is being written counts as full, so that the bound holds between two calls as well.

    Args:
        folder: the spool.
        max_bytes: bound of all segments together.
        max_age: seconds since the last write to a segment; None for any age.
        segment_bytes: what a segment grows to.
        reserve: bytes about to be written to a new segment; 0 when none is about to be begun.

    Returns:
        Events lost by reason: those that some sink had not acknowledged.
    """
    lost: Counter[str] = Counter()
    found = segment.segments(folder)
    closed = {entry.name: _is_closed(folder / entry.name) for entry in found}
    total = sum(entry.size if closed[entry.name] else max(entry.size, segment_bytes) for entry in found)
    if reserve:
        total += max(reserve, segment_bytes)
    oldest = None if max_age is None else time.time() - max_age
    for entry in found:
        too_old = oldest is not None and entry.modified < oldest
        if not closed[entry.name] or not (too_old or total > max_bytes):
            continue
        pending = _pending_events(folder, entry.name)
        try:
            (folder / entry.name).unlink()
        except FileNotFoundError:
            pass
        else:
            lost[TOO_OLD if too_old else SPOOL_FULL] += pending
        total -= entry.size
    return +lost


def _is_closed(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return segment.is_closed(descriptor)
    finally:
        os.close(descriptor)


def _pending_events(folder: Path, name: str) -> int:
    """Events of a segment that the sink that is furthest behind has not acknowledged."""
    offsets = [position.get(name, 0) for position in cursor.all_positions(folder)]
    try:
        return segment.count_frames(folder / name, min(offsets, default=0))
    except FileNotFoundError:
        return 0
