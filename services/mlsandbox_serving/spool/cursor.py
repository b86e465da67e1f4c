"""Where each sink stands: one small file per sink, replaced whole after each acknowledgement.

A cursor that is lost or unreadable costs a second delivery, which the sinks recognise by the event's id; never an event.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = "cursors"
_SUFFIX: Final = ".json"
_SCHEMA_VERSION: Final = 1


class Cursor:
    """The acknowledged bytes of each segment, for one sink."""

    def __init__(self, folder: Path, sink: str) -> None:
        self._path = folder / FOLDER / f"{sink}{_SUFFIX}"
        self._sink = sink
        self._positions = _read(self._path)

    def position(self, segment: str) -> int:
        """Acknowledged bytes of a segment."""
        return self._positions.get(segment, 0)

    def advance(self, segment: str, offset: int, existing: Iterable[str]) -> None:
        """Note that everything up to `offset` is acknowledged, and forget segments that are gone.

        Raises:
            OSError: it is noted in memory alone.
        """
        keep = set(existing)
        self._positions = {name: at for name, at in self._positions.items() if name in keep} | {segment: offset}
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"schema_version": _SCHEMA_VERSION, "sink": self._sink, "positions": self._positions}, file)
        temporary.replace(self._path)


def all_positions(folder: Path) -> Iterator[dict[str, int]]:
    """The positions of every sink that has acknowledged anything."""
    for path in (folder / FOLDER).glob(f"*{_SUFFIX}"):
        yield _read(path)


def forget_others(folder: Path, sinks: Iterable[str]) -> None:
    """Remove the cursors of sinks that are no longer configured."""
    keep = {f"{sink}{_SUFFIX}" for sink in sinks}
    for path in (folder / FOLDER).glob(f"*{_SUFFIX}"):
        if path.name not in keep:
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, int]:
    try:
        positions = json.loads(path.read_bytes())["positions"]
        return {name: at for name, at in positions.items() if isinstance(name, str) and isinstance(at, int) and at >= 0}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
