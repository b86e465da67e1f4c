"""The engine that a project's stack runs on, or ran on last."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Engine
from mlsandbox.engines.embedded import EmbeddedEngine
from mlsandbox.state import State, load_state


def remembered_state(root: Path) -> State:
    """What the project in a folder remembers; nothing when it never ran.

    Raises:
        StateTooNew: a later version of this program wrote it.
    """
    sandbox = root / ".sandbox"
    return load_state(sandbox).state if sandbox.is_dir() else State()


def remembered_engine(root: Path, state: State | None = None) -> Engine:
    """Its engine; the embedded one when there was none.

    Args:
        root: the project's folder.
        state: what it remembers, when it has been read already.
    """
    name = (remembered_state(root) if state is None else state).engine
    return ENGINES[name if name in ENGINES else EmbeddedEngine.name](root)
