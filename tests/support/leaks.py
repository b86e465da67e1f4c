"""What a test may not leave behind: processes with a project's mark, listening ports, containers and networks."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlsandbox.render.compose import Label
from mlsandbox.stack.ports import Availability, probe_by_binding
from mlsandbox.supervise.spec import Folder
from mlsandbox.supervise.sweep import marked
from support.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is there at one moment."""

    processes: tuple[str, ...]
    ports: tuple[int, ...]
    containers: tuple[str, ...] = ()
    """And networks."""

    def __bool__(self) -> bool:
        return bool(self.processes or self.ports or self.containers)


def snapshot(root: Path, ports: Collection[int] = (), *, docker: bool = False) -> Snapshot:
    """The project's processes, and those of `ports` that are taken; with `docker` also its containers and networks."""
    processes = tuple(f"{swept.pid} {swept.service}: {swept.command}" for _, swept in marked(Folder(root / ".sandbox").project))
    taken = tuple(port for port in ports if probe_by_binding(port) is Availability.TAKEN)
    return Snapshot(processes, taken, containers_of(root) if docker else ())


def containers_of(root: Path) -> tuple[str, ...]:
    """Names of the project's containers, running or not, and networks."""
    owned = ("--filter", f"label={Label.ROOT}={root.resolve()}", "--format")
    listed = (("ps", "--all", *owned, "{{.Names}}"), ("network", "ls", *owned, "{{.Name}}"))
    return tuple(
        name for words in listed for name in subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.split()
    )


def assert_nothing_left(root: Path, ports: Collection[int] = (), *, docker: bool = False) -> None:
    """Fail when anything of the project still runs or listens a moment later."""
    wait_for(
        lambda: not snapshot(root, ports, docker=docker),
        what=f"nothing is left: {snapshot(root, ports, docker=docker)}",
    )


def processes_with(mark: str) -> list[int]:
    """Processes of this machine, in containers or not, that were given this argument."""
    return [each.pid for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or ())]
