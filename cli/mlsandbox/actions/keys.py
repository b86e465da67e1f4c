"""API keys of a project: which there are, a new one, one less. A stack that runs takes the change within a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from mlsandbox.errors import ConfigInvalid, UsageError
from mlsandbox.key_file import NAME, Key, parse_keys
from mlsandbox.project_lock import project_lock
from mlsandbox.secrets import ensure_secret, key_path
from mlsandbox.stack.components.model import API_KEYS

_UNNAMED: Final = "(no name)"
TAKEN_SECONDS: Final = 1.1
"""After so long each service has taken a change: it looks at the file once a second (mlsandbox_serving.service.access)."""


@dataclass(frozen=True, slots=True)
class KeyList:
    """The API keys of a project, without the keys."""

    file: Path
    names: tuple[str, ...]
    required: bool
    """Whether the API asks for one."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What was done to one key."""

    file: Path
    name: str
    change: str
    """"added" or "removed"."""
    dry_run: bool = False


def keys(sandbox: Path, *, required: bool) -> KeyList:
    """Which there are.

    Raises:
        ConfigInvalid: their file cannot be read.
    """
    return KeyList(key_path(sandbox), tuple(each.name or _UNNAMED for each in _read(sandbox)), required)


def add_key(sandbox: Path, name: str, waiting: Callable[[str], None], *, dry_run: bool = False) -> tuple[KeyChange, str]:
    """A new key, and what it is: it is told here and nowhere else. The first one of a project makes `sandbox`'s own, too.

    Raises:
        UsageError: the name cannot be had.
        ConfigInvalid: the file of keys cannot be read.
    """
    if NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r} is no name for a key", why="It is letters, digits and ._- (at most 64).", fix="sandbox keys add team-a")
    change, key = KeyChange(key_path(sandbox), name, "added", dry_run), token_hex(32)
    if dry_run:
        _refuse_taken(name, _read(sandbox))
        return change, ""
    with project_lock(sandbox, "sandbox keys", waiting=waiting):
        _refuse_taken(name, _read(sandbox))
        path = ensure_secret(sandbox, API_KEYS.name)
        _write(path, "".join(f"{line}\n" for line in (*path.read_text(encoding="utf-8").splitlines(), f"{name}: {key}")))
    return change, key


def remove_key(sandbox: Path, name: str, waiting: Callable[[str], None], *, dry_run: bool = False) -> KeyChange:
    """One less.

    Raises:
        UsageError: there is no such key, or it is the last one, without which nobody could ask.
        ConfigInvalid: the file of keys cannot be read.
    """
    change = KeyChange(key_path(sandbox), name, "removed", dry_run)
    if dry_run:
        _found(name, sandbox)
        return change
    with project_lock(sandbox, "sandbox keys", waiting=waiting):
        line = _found(name, sandbox).line
        lines = change.file.read_text(encoding="utf-8").splitlines()
        _write(change.file, "".join(f"{kept}\n" for kept in lines[: line - 1] + lines[line:]))
    return change


def _read(sandbox: Path) -> tuple[Key, ...]:
    path = key_path(sandbox)
    try:
        return parse_keys(path.read_text(encoding="utf-8")) if path.exists() else ()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigInvalid(f"the API keys in {path} cannot be read", why=why or "", fix=f"repair it: {path}") from None


def _refuse_taken(name: str, known: tuple[Key, ...]) -> None:
    if name in {each.name for each in known}:
        raise UsageError(f"there is a key {name!r} already", fix=f"take another name, or remove that one: sandbox keys remove {name}")


def _found(name: str, sandbox: Path) -> Key:
    known = _read(sandbox)
    found = next((each for each in known if each.name == name), None)
    if found is None:
        named = ", ".join(each.name or _UNNAMED for each in known) or "none"
        raise UsageError(f"there is no key {name!r}", why=f"There are: {named}.", fix="see which there are: sandbox keys list")
    if len(known) == 1:
        raise UsageError(
            f"{name!r} is the last key",
            why="Without any key the API could not be used, nor started.",
            fix=f"add another one first: sandbox keys add {name}-2",
        )
    return found


def _write(path: Path, text: str) -> None:
    """In place: a container sees the file that was there when it was started, not one that takes its name.

    Who reads half of it keeps the keys that it has (mlsandbox_serving.service.access).
    """
    content = text.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
