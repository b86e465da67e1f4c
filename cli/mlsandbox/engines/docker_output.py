"""Keeps what containers wrote when they are removed, in the same files as the embedded engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from mlsandbox.engines.base import LogLine
from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_lines import Stamped, parsed
from mlsandbox.engines.docker_observe import Container, utc
from mlsandbox.errors import EngineUnavailable
from mlsandbox.supervise.logfiles import LONGEST_LINE, LogFile, tail

LARGEST: Final = 2_000
"""Lines of one container that are kept."""
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class KeptOutput:
    """The output of containers that are gone, one file for each service."""

    folder: Path
    daemon: Daemon

    def keep(self, containers: Iterable[Container]) -> None:
        """Write down the last lines of containers; what cannot be read or written is lost, and no mistake.

        What was written down already is not written again.
        """
        if not self.folder.parent.is_dir():  # the project's data was removed
            return
        by_service = {name: list(some) for name, some in groupby(sorted(containers, key=_service), key=_service) if name}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._keep, by_service, by_service.values()))

    def lines(self, service: str, count: int, *, before: str = "") -> list[Stamped]:
        """The last lines of a service, at most `count`; those from before a moment (of the engine's), when one is given."""
        found = [_stamped(service, line) for line in tail(self._path(service), count)]
        return [each for each in found if not before or each.line.time < utc(before)]

    def services(self) -> Collection[str]:
        """Those that something was kept of."""
        return {path.stem for path in self.folder.glob("*.log")}

    def _keep(self, service: str, containers: Collection[Container]) -> None:
        with suppress(EngineUnavailable, OSError):  # `down` is not to fail for this
            read = [parsed(service, line) for each in containers for line in self.daemon.written(each.id, LARGEST)]
            last = [line.partition(" ")[0] for line in tail(self._path(service), 1)]
            fresh = [each.line for each in sorted(read, key=lambda each: each.stamp) if [each.line.time] > last]
            with closing(LogFile(self._path(service))) as file:
                file.append([f"{line.time} {line.text[:LONGEST_LINE]}" for line in fresh])

    def _path(self, service: str) -> Path:
        return self.folder / f"{service}.log"


def _service(container: Container) -> str:
    return container.service.name


def _stamped(service: str, line: str) -> Stamped:
    time, _, text = line.partition(" ")
    return Stamped(time.replace("Z", "000000Z"), LogLine(service, time, text))
