"""What lies in a spool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack

from mlsandbox_serving.spool.reader import next_batch


def records(folder: Path) -> list[dict[str, Any]]:
    """The records of all events, in the order in which they were written."""
    found: list[dict[str, Any]] = []
    positions: dict[str, int] = {}
    while folder.is_dir() and (batch := next_batch(folder, lambda name: positions.get(name, 0))) is not None:
        found += [msgpack.unpackb(entry)[1] for entry in batch.entries]
        positions[batch.segment] = batch.end
    return found
