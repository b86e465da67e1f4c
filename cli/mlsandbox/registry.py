"""Which stacks this machine has, and which ports are theirs: one JSON file per project in the user's state folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mlsandbox.atomic import write_atomic
from mlsandbox.file_lock import exclusive
from mlsandbox.stack.ports import Allocation, Machine, allocate

REGISTRY_VERSION: Final = 1
FOLDER_VARIABLE: Final = "SANDBOX_STATE_DIR"


@dataclass(frozen=True, slots=True)
class Entry:
    """One stack."""

    name: str
    root: str
    """Real path of the project."""
    engine: str
    host: str
    ports: Mapping[str, int]
    """By name, as in the project's state."""


class Registry:
    """All stacks of one user on this machine."""

    def __init__(self, folder: Path | None = None) -> None:
        """Args: folder: where it lies; None: `$SANDBOX_STATE_DIR`, else the user's state folder."""
        self._folder = folder or state_folder()

    def entries(self) -> tuple[Entry, ...]:
        """All stacks whose project still exists, by name; entries of vanished folders are removed."""
        living = self._living()
        for path in (self._folder / "stacks").glob("*.json"):
            if path not in living:
                path.unlink(missing_ok=True)
        return tuple(sorted(living.values(), key=lambda entry: (entry.name, entry.root)))

    def reserve(
        self, entry: Entry, names: Sequence[str], *, pinned: Mapping[str, int], running: Mapping[str, int], machine: Machine
    ) -> Allocation:
        """Choose ports and note them as this stack's, while no other command on this machine does so.

        Args:
            entry: the stack, with the ports it had before.
            names: the ports it needs.
            pinned: numbers that the user insists on.
            running: ports that its own running services hold now.
            machine: how to see whether a port is free, and whose it is.

        Raises:
            PortInUse, PortForbidden: a pinned port cannot be had.
        """
        with exclusive(self._folder / "ports.lock"):
            allocation = self.choose(entry, names, pinned=pinned, running=running, machine=machine)
            self._write(Entry(entry.name, entry.root, entry.engine, entry.host, allocation.ports))
        return allocation

    def choose(
        self, entry: Entry, names: Sequence[str], *, pinned: Mapping[str, int], running: Mapping[str, int], machine: Machine
    ) -> Allocation:
        """What `reserve` would choose; nothing is noted, or written at all."""
        others = [other for other in self._living().values() if other.root != entry.root]
        reserved = {port: f"the stack in {other.root}" for other in others for port in other.ports.values()}
        # What a service holds that is not wanted any more is held until it stops, which is after others have started.
        ours = {number for name, number in running.items() if name in names}
        return allocate(names, pinned=pinned, previous=entry.ports, reserved=reserved, ours=ours, machine=machine)

    def forget(self, root: Path) -> None:
        """The stack of this project is no more (its data was removed)."""
        self._path(str(root.resolve())).unlink(missing_ok=True)

    def _living(self) -> Mapping[Path, Entry]:
        """Entries by their files, without those of vanished projects."""
        found = {path: _read(path) for path in sorted((self._folder / "stacks").glob("*.json"))}
        return {path: entry for path, entry in found.items() if entry is not None and (Path(entry.root) / ".sandbox").is_dir()}

    def _write(self, entry: Entry) -> None:
        path = self._path(entry.root)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"schema_version": REGISTRY_VERSION, **asdict(entry)}, indent=2, ensure_ascii=False) + "\n")

    def _path(self, root: str) -> Path:
        return self._folder / "stacks" / f"{hashlib.sha256(root.encode()).hexdigest()[:16]}.json"


def state_folder() -> Path:
    """The user's state folder: `$SANDBOX_STATE_DIR`, else where the platform has it."""
    own = os.environ.get(FOLDER_VARIABLE)
    if own:
        return Path(own)
    import platformdirs  # noqa: PLC0415 - not needed to print help

    return Path(platformdirs.user_state_dir("mlsandbox"))


def _read(path: Path) -> Entry | None:
    try:
        document = json.loads(path.read_text("utf-8"))
        return Entry(**document) if document.pop("schema_version") == REGISTRY_VERSION else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
