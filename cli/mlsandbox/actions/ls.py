"""The stacks of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsandbox.actions.outcomes import StackEntry, StackList
from mlsandbox.actions.sight import look
from mlsandbox.errors import EngineUnavailable
from mlsandbox.registry import Registry

UNKNOWN: Final = "unknown"
"""The state of a stack whose engine does not answer."""


def ls() -> StackList:
    """Every stack that this user ever brought up and did not remove, running or not."""
    entries = []
    for entry in Registry().entries():
        try:
            sight = look(Path(entry.root))
        except EngineUnavailable:
            entries.append(StackEntry(entry.name, Path(entry.root), entry.engine, UNKNOWN, None))
            continue
        url = next(iter(sight.endpoints.values()), None)
        entries.append(StackEntry(entry.name, Path(entry.root), sight.engine.name, sight.state, url))
    return StackList(tuple(entries))
