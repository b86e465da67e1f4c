"""The stacks of this machine."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.actions.outcomes import StackEntry, StackList
from mlsandbox.actions.sight import look
from mlsandbox.registry import Registry


def ls() -> StackList:
    """Every stack that this user ever brought up and did not remove, running or not."""
    entries = []
    for entry in Registry().entries():
        sight = look(Path(entry.root))
        url = next(iter(sight.endpoints.values()), None)
        entries.append(StackEntry(entry.name, Path(entry.root), sight.engine.name, sight.state, url))
    return StackList(tuple(entries))
