"""What containers write, from the engine, merged by time; `docker compose logs` colours and clears lines also where nobody looks."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mlsandbox.engines.base import LogLine
from mlsandbox.engines.docker_daemon import Daemon
from mlsandbox.engines.docker_lines import Stamped, lines_of, parsed
from mlsandbox.engines.docker_observe import moment
from mlsandbox.engines.docker_output import KeptOutput

if TYPE_CHECKING:
    from docker.types import CancellableStream

_LOOK_SECONDS: Final = 0.5
"""Between two looks for containers that are new or were started again."""
_MERGE_SECONDS: Final = 0.1


def container_logs(daemon: Daemon, kept: KeptOutput, services: Collection[str], *, lines: int, follow: bool) -> Iterator[LogLine]:
    """See `engines.base.Engine.logs`."""
    wanted = [each for each in daemon.containers({}, whole=False) if each.service.name in services]
    now = _now()
    recent = {each.id: [parsed(each.service.name, text) for text in daemon.written(each.id, lines)] for each in wanted}
    told_before = {name: kept.lines(name, lines) for name in services}
    for each in wanted:
        older = kept.lines(each.service.name, lines, before=each.created)
        told_before[each.service.name] = [*older, *recent[each.id]]
    newest = [line for some in told_before.values() for line in some[max(0, len(some) - lines) :]]
    yield from (each.line for each in sorted(newest, key=lambda each: each.stamp))
    if follow:
        told = {each.id: recent[each.id][-1].stamp if recent[each.id] else (now if lines == 0 else "") for each in wanted}
        with contextlib.closing(_Followers(daemon, services, told)) as followers:
            while True:
                followers.look()
                yield from (each.line for each in followers.fresh())


class _Followers:
    """A thread for each container that runs."""

    def __init__(self, daemon: Daemon, services: Collection[str], told: dict[str, str]) -> None:
        """Args: told: for each container the stamp of the last line that was given; of others everything is."""
        self._daemon = daemon
        self._services = services
        self._told = told
        self._streams: dict[str, CancellableStream[bytes]] = {}
        self._lines: queue.Queue[tuple[str, Stamped | None]] = queue.Queue()
        self._looked = -_LOOK_SECONDS

    def look(self) -> None:
        """Follow what began to run since the last look; at most every half second."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for each in self._daemon.containers({}, whole=False):
            if each.service.name in self._services and each.running and each.id not in self._streams:
                told = self._told.get(each.id, "")
                stream = self._daemon.follow(each.id, since=moment(told).timestamp() if told else None)
                if stream is not None:
                    self._streams[each.id] = stream
                    threading.Thread(target=self._read, args=(each.id, each.service.name, stream), daemon=True).start()

    def fresh(self) -> list[Stamped]:
        """What came within a moment, in the order of time."""
        found: list[Stamped] = []
        until = time.monotonic() + _MERGE_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                identity, line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:  # its container ended; it may be started again
                self._streams.pop(identity, None)
            elif line.stamp > self._told.get(identity, ""):
                self._told[identity] = line.stamp
                found.append(line)
        return sorted(found, key=lambda each: each.stamp)

    def close(self) -> None:
        for each in list(self._streams.values()):
            with contextlib.suppress(Exception):  # whatever state a connection is in, nobody wants it any more
                each.close()

    def _read(self, identity: str, service: str, stream: CancellableStream[bytes]) -> None:
        try:
            for piece in stream:
                for text in lines_of(piece):
                    self._lines.put((identity, parsed(service, text)))
        except Exception:  # noqa: BLE001, S110 - the connection was closed, by us or by the engine, which the next look tells
            pass
        finally:
            self._lines.put((identity, None))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
