"""`.sandbox/state.json`: what a project remembers between two commands; and the folder itself, which no repository should hold."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, Final

from mlsandbox.atomic import write_atomic
from mlsandbox.errors import FolderLinked, StateTooNew

STATE_VERSION: Final = 1
_LOOKED_INTO: Final = 3
"""Folders below `.sandbox` in which links are looked for: deeper down are only packages, whose files are verified, and spools …"""
_RENDERED: Final = ("stack", 20)
"""… and what is rendered, which is written and removed file by file."""


@dataclass(frozen=True, slots=True)
class State:
    """All of state.json."""

    engine: str | None = None
    """The engine that ran the stack last."""
    host: str | None = None
    """The address that its public ports were bound to."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """By name; used again as long as they are free."""
    served: Mapping[str, str] = field(default_factory=dict)
    """For each model the champion: the version that was last made to answer ("v3")."""
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For each model the other versions that run, by version: {"role": "challenger"|"standby", "percent": float, "shadow": bool}."""
    held: Mapping[str, str] = field(default_factory=dict)
    """For each model whose champion was chosen by hand the version that its files made then: `up` keeps the champion while they do."""
    proven: str | None = None
    """The stack's id when these versions answered their smoke prediction."""
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """What the last `up` was told of the stack: {"host": str, "profile": str, "exclude": [str], "models": [str]}."""
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For each model without reference data the row that was last given for its smoke prediction."""
    told: Mapping[str, str] = field(default_factory=dict)
    """What is said once per project, and when it was."""

    @property
    def models(self) -> tuple[str, ...]:
        """Of the stack that was brought up last, in its order: the first one has the plain names."""
        return tuple(self.chosen.get("models") or self.served)


@dataclass(frozen=True, slots=True)
class LoadedState:
    """A state, and whether what was remembered could be read."""

    state: State
    problem: str = ""
    """Why state.json could not be read, and a fresh state stands in for it; empty when all was well."""


def load_state(sandbox: Path) -> LoadedState:
    """The state in a project's `.sandbox`; a fresh one when there is none, or none that can be read. Changes nothing.

    Raises:
        StateTooNew: a later version wrote it; nothing is touched.
    """
    path = sandbox / "state.json"
    try:
        document = json.loads(path.read_text("utf-8"))
        version = document.pop("schema_version")
        if isinstance(version, int) and version > STATE_VERSION:
            raise StateTooNew(
                f"{path} was written by a later version of mlsandbox",
                why=f"It has schema_version {version}; this version reads up to {STATE_VERSION}.",
                fix=f"upgrade: pip install --upgrade mlsandbox   or forget ports and versions: rm '{path}'",
                details={"path": str(path), "schema_version": version},
            )
        return LoadedState(_parse(version, document))
    except FileNotFoundError:
        return LoadedState(State())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return LoadedState(State(), f"{type(error).__name__}: {error}")


def save_state(sandbox: Path, state: State) -> None:
    """Replace state.json in one step."""
    make_sandbox_folder(sandbox)
    write_atomic(
        sandbox / "state.json", json.dumps({"schema_version": STATE_VERSION, **asdict(state)}, indent=2, ensure_ascii=False) + "\n"
    )


def make_sandbox_folder(sandbox: Path, data: Collection[str] = ()) -> None:
    """Make `.sandbox`, readable by its owner alone, with the file that keeps it out of git, and the named folders below its `data`.

    Raises:
        FolderLinked: see `refuse_links`.
    """
    refuse_links(sandbox)
    sandbox.parent.mkdir(parents=True, exist_ok=True)
    sandbox.mkdir(mode=0o700, exist_ok=True)
    mode = sandbox.stat().st_mode & 0o777
    if mode & 0o007:  # a repository brought it; what its owner opened to a group stays open to it
        sandbox.chmod(mode & ~0o007)
    for name in data:
        (sandbox / "data" / name).mkdir(parents=True, exist_ok=True)
    ignore = sandbox / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, "*\n", durable=False)


def refuse_links(sandbox: Path) -> None:
    """Refuse a `.sandbox` that is, or holds, a symbolic link: a repository can bring one, and we write, empty and remove what is there.

    Raises:
        FolderLinked: names the link.
    """
    rendered, depth = _RENDERED
    link = sandbox if sandbox.is_symlink() else _link_in(sandbox, _LOOKED_INTO) or _link_in(sandbox / rendered, depth)
    if link is not None:
        raise FolderLinked(
            f"{link} is a symbolic link",
            why=f"It leads to {link.readlink()}. What is written, emptied or removed in .sandbox must lie in the project itself.",
            fix=f"remove the link: rm {quote(str(link))}",
            details={"path": str(link)},
        )


def set_aside(sandbox: Path) -> Path:
    """Move a state.json that cannot be read out of the way, and return where it went."""
    path = sandbox / "state.json"
    aside = path.with_name(f"state.json.unreadable-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    path.replace(aside)
    return aside


def _link_in(folder: Path, depth: int) -> Path | None:
    """The first symbolic link so many folders deep; none of our own making is there."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink():
                    return Path(entry.path)
                found = _link_in(Path(entry.path), depth - 1) if depth > 1 and entry.is_dir(follow_symlinks=False) else None
                if found is not None:
                    return found
    except OSError:
        return None
    return None


def _parse(version: object, document: dict[str, Any]) -> State:
    """Strict: a member that is missing, unknown or of another type is an error."""
    if version != STATE_VERSION:
        raise ValueError(f"schema_version {version!r}")
    state = State(**document)
    for text in (state.engine, state.host, state.proven):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{text!r} is not a text")
    for values, kind in (
        (state.ports, int),
        (state.served, str),
        (state.beside, dict),
        (state.held, str),
        (state.examples, dict),
        (state.told, str),
    ):
        if not isinstance(values, dict) or not all(isinstance(value, kind) for value in values.values()):
            raise TypeError(f"{values!r} does not map names to {kind.__name__}")
    return state
