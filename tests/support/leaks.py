"""What a test may not leave behind: processes with a project's mark, listening ports, temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mlsandbox.stack.ports import Availability, probe_by_binding
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.sweep import marked
from support.waiting import wait_for

_OURS = ("mlsandbox", "sandbox", "bentoml")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is there at one moment."""

    processes: tuple[str, ...]
    ports: tuple[int, ...]
    temporary: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.processes or self.ports or self.temporary)


def snapshot(root: Path, ports: Collection[int] = (), before: Collection[str] = ()) -> Snapshot:
    """The project's processes, those of `ports` that are taken, and temporary files of ours that are not in `before`."""
    processes = tuple(f"{swept.pid} {swept.service}: {swept.command}" for _, swept in marked(Folder(root / ".sandbox").project))
    taken = tuple(port for port in ports if probe_by_binding(port) is Availability.TAKEN)
    return Snapshot(processes, taken, tuple(name for name in temporary_files() if name not in before))


def temporary_files() -> tuple[str, ...]:
    """Names of ours in the folder for temporary files."""
    return tuple(sorted(path.name for path in Path(tempfile.gettempdir()).iterdir() if path.name.startswith(_OURS)))


def assert_nothing_left(root: Path, ports: Collection[int] = ()) -> None:
    """Fail when anything of the project still runs or listens a moment later."""
    wait_for(
        lambda: not snapshot(root, ports, temporary_files()), timeout=5, what=f"nothing is left: {snapshot(root, ports, temporary_files())}"
    )
