"""A service that takes events over the Forward protocol and answers probes: the log store, the drift service.

Events are stored in one thread, beside the event loop; one is acknowledged once it cannot be lost any more. A service that has to be
alone in its folder waits for one that was there before, which may be about to end: alive, but not ready, and reached by nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry

from mlsandbox_serving.contract import Env, NotReady
from mlsandbox_serving.folder_lock import FolderLock
from mlsandbox_serving.forward.framing import MOST_VALUES
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.forward.server import EventsRefused, ForwardServer
from mlsandbox_serving.lifetime import end_with_parent
from mlsandbox_serving.priority import give_way
from mlsandbox_serving.probes import Page, ProbeServer

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TRY_SECONDS: Final = 0.5
"""From one try to have the lock of a folder to the next."""


class Listening(NamedTuple):
    """Where a service is reached."""

    host: str
    forward_port: int
    probe_port: int
    """Of /livez, /readyz, /metrics and pages."""
    stack_id: str

    @classmethod
    def read(cls, environ: Mapping[str, str], probe_port: str) -> Listening:
        """Out of environment variables.

        Args:
            environ: see `contract.Env`.
            probe_port: the variable of that port.

        Raises:
            KeyError, ValueError: a port is missing or no number.
        """
        return cls(
            host=environ.get(Env.LISTEN_HOST, "127.0.0.1"),
            forward_port=int(environ[Env.FORWARD_PORT]),
            probe_port=int(environ[probe_port]),
            stack_id=environ.get(Env.STACK_ID, ""),
        )


class Claim(NamedTuple):
    """A folder that a service has to be alone in."""

    listening: Listening
    folder: Path


class ForwardedService(ABC):
    """What such a service does with events, and between them.

    Args:
        listening: where it is reached.
        folder: in which it stores events.
        tend_seconds: from one `tend` to the next.
    """

    tends_first: ClassVar[bool] = False
    """Whether the first `tend` is done before anybody is answered."""

    def __init__(self, listening: Listening, folder: Path, *, tend_seconds: float) -> None:
        self.listening = listening
        self.tend_seconds = tend_seconds
        self.registry = CollectorRegistry()
        self._folder = folder
        self._failure: str | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")

    async def take(self, tag: str, events: list[Event]) -> None:
        """Store events; returns once they cannot be lost any more.

        Raises:
            EventsRefused: the sender keeps the events.
        """
        try:
            await self._in_thread(self._store, tag, events)
        except (sqlite3.Error, OSError) as error:
            self._failure = f"cannot store events in {self._folder}: {error}"
            raise EventsRefused(self._failure) from error
        self._failure = None

    def readiness(self) -> dict[str, Any]:
        """The body of /readyz."""
        return {
            "ready": self._failure is None,
            "stack_id": self.listening.stack_id,
            "code": None if self._failure is None else NotReady.STORE_UNWRITABLE,
            "reason": self._failure,
            "final": False,
            "details": {"bytes": self._size()},
        }

    def pages(self) -> Mapping[str, Page]:
        """What is shown to people, by its path."""
        return {}

    def left_out(self, count: int) -> None:
        """Tell of events that were not taken, as they hold too many values."""
        _log.warning("left out %d events of more than %d values", count, MOST_VALUES)

    @abstractmethod
    async def tend(self) -> None:
        """What is to be done now and then."""

    def close(self) -> None:
        """Finish what is being stored and close the files."""
        self._thread.shutdown()
        self._close()

    @abstractmethod
    def _store(self, tag: str, events: list[Event]) -> None:
        """Store events, in the thread; sqlite3.Error and OSError mean that the sender has to keep them."""

    @abstractmethod
    def _size(self) -> int:
        """Bytes on disk."""

    @abstractmethod
    def _close(self) -> None:
        """Close the files."""

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


def run(name: str, make: Callable[[], ForwardedService], claim: Callable[[], Claim] | None = None) -> int:
    """Run a service until SIGTERM or SIGINT; the exit code.

    Args:
        name: "the log store".
        make: the service. Raises KeyError or ValueError when its settings are wrong, sqlite3.Error or OSError when its folder is of no use.
        claim: the folder that it has to be alone in before it is made, with the same exceptions; None: there may be several.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    give_way()
    end_with_parent()
    try:
        asyncio.run(_serve(make, claim))
    except (KeyError, ValueError, OSError, sqlite3.Error) as error:
        _log.error("%s cannot run: %s: %s", name, type(error).__name__, error)
        return 1
    return 0


async def _serve(make: Callable[[], ForwardedService], claim: Callable[[], Claim] | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if claim is None:
        await _serve_alone(make, stop, None)
        return
    claimed = claim()
    lock = FolderLock(claimed.folder)
    try:
        if lock.take():
            await _serve_alone(make, stop, None)
            return
        with contextlib.closing(_waiting_probes(claimed)) as probes:
            if await _taken(claimed.folder, lock, stop):
                await _serve_alone(make, stop, probes)
    finally:
        lock.release()


def _waiting_probes(claimed: Claim) -> ProbeServer:
    """What answers while another process has the folder."""
    at = claimed.listening
    reason = _in_use(claimed.folder)
    told = {"ready": False, "stack_id": at.stack_id, "code": NotReady.STATE_IN_USE, "reason": reason, "final": False, "details": {}}
    probes = ProbeServer(at.host, at.probe_port, readiness=lambda: told, registry=CollectorRegistry())
    probes.start()
    return probes


async def _taken(folder: Path, lock: FolderLock, stop: asyncio.Event) -> bool:
    """Wait for a folder that another process has; False when the process is to end before it is free."""
    _log.warning("%s: waiting until it ends", _in_use(folder))
    while not lock.take():
        if await _stopped(stop, _TRY_SECONDS):
            return False
    _log.info("%s is free now", folder)
    return True


def _in_use(folder: Path) -> str:
    return f"another process has {folder}"


async def _serve_alone(make: Callable[[], ForwardedService], stop: asyncio.Event, probes: ProbeServer | None) -> None:
    """Serve until it is to stop.

    Args:
        make: the service.
        stop: when it is to stop.
        probes: what answered until now, if anything did. It goes on with what the service says: Prometheus keeps its connection open,
            and one to a server that is no more would be answered with the metrics of nothing for as long.
    """
    service = make()
    at = service.listening
    server = ForwardServer(service.take, left_out=service.left_out)
    try:
        if service.tends_first:
            await service.tend()
        await server.start(at.host, at.forward_port)
        if probes is None:
            probes = ProbeServer(at.host, at.probe_port, readiness=service.readiness, registry=service.registry, pages=service.pages())
            probes.start()
        else:
            probes.show(service.readiness, service.registry, service.pages())
        if not service.tends_first:
            await service.tend()
        while not await _stopped(stop, service.tend_seconds):
            await service.tend()
    finally:
        await server.close()
        if probes is not None:
            probes.close()
        service.close()


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Whether the process is to stop, known at the latest after some time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
