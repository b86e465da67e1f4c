"""The running log store: acknowledges an event once it is committed, deletes by age and size, answers probes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry

from mlsandbox_serving.contract import Env, Metrics, NotReady
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.forward.server import EventsRefused, ForwardServer
from mlsandbox_serving.lifetime import end_with_parent
from mlsandbox_serving.log_store.row import to_row
from mlsandbox_serving.log_store.store import EventStore, Stored
from mlsandbox_serving.metrics import counter, gauge
from mlsandbox_serving.probes import ProbeServer

T = TypeVar("T")

_log = logging.getLogger(__name__)

_HOUSEKEEPING_SECONDS: Final = 10.0
_DEFAULT_RETENTION_SECONDS: Final = 7 * 86_400.0
_DEFAULT_BYTES: Final = 2 * 10**9
_NANOSECONDS: Final = 10**9


class Settings(NamedTuple):
    """What the environment says; see `contract.Env`."""

    folder: Path
    host: str
    forward_port: int
    probe_port: int
    stack_id: str
    retention_seconds: float
    max_bytes: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """The settings out of environment variables.

        Raises:
            KeyError, ValueError: one is missing or no number.
        """
        return cls(
            folder=Path(environ[Env.LOG_STORE_DIR]),
            host=environ.get(Env.LISTEN_HOST, "127.0.0.1"),
            forward_port=int(environ[Env.FORWARD_PORT]),
            probe_port=int(environ[Env.LOG_STORE_PORT]),
            stack_id=environ.get(Env.STACK_ID, ""),
            retention_seconds=float(environ.get(Env.LOG_RETENTION_SECONDS) or _DEFAULT_RETENTION_SECONDS),
            max_bytes=int(environ.get(Env.LOG_STORE_BYTES) or _DEFAULT_BYTES),
        )


class LogStore:
    """The store behind its Forward server. All work on the database happens in one thread, beside the event loop.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self._settings = settings
        self._store = EventStore(settings.folder)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._failure: str | None = None
        self._events = counter(Metrics.LOG_STORE_EVENTS, self.registry)
        self._bytes = gauge(Metrics.LOG_STORE_BYTES, self.registry)
        self._corruptions = counter(Metrics.LOG_STORE_CORRUPTIONS, self.registry)
        self._corruptions_told = 0

    async def take(self, tag: str, events: list[Event]) -> None:
        """Store events; returns once they are committed.

        Raises:
            EventsRefused: nothing was stored; the sender keeps the events.
        """
        try:
            stored = await self._in_thread(self._add, tag, events)
        except (sqlite3.Error, OSError) as error:
            self._failure = f"cannot store events in {self._settings.folder}: {error}"
            raise EventsRefused(self._failure) from error
        self._failure = None
        self._events.labels("stored").inc(stored.new)
        self._events.labels("duplicate").inc(stored.duplicate)

    async def keep_house(self) -> None:
        """Delete what is too old or too much, in small steps between which events are stored; then measure."""
        try:
            oldest = int((time.time() - self._settings.retention_seconds) * _NANOSECONDS)
            while await self._in_thread(self._store.delete_older, oldest):
                pass
            while await self._in_thread(self._store.shrink, self._settings.max_bytes):
                pass
        except (sqlite3.Error, OSError) as error:
            _log.warning("cannot delete old events in %s: %s", self._settings.folder, error)
        self._bytes.set(self._store.size())
        self._corruptions.inc(self._store.corruptions - self._corruptions_told)
        self._corruptions_told = self._store.corruptions

    def readiness(self) -> dict[str, Any]:
        """The body of /readyz."""
        return {
            "ready": self._failure is None,
            "stack_id": self._settings.stack_id,
            "code": None if self._failure is None else NotReady.STORE_UNWRITABLE,
            "reason": self._failure,
            "final": False,
            "details": {"bytes": self._store.size()},
        }

    def close(self) -> None:
        """Finish what is being stored and close the database."""
        self._thread.shutdown()
        self._store.close()

    def _add(self, tag: str, events: list[Event]) -> Stored:
        return self._store.add([to_row(tag, event) for event in events])

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        sqlite3.Error, OSError: the folder or a port cannot be used.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = LogStore(settings)
    server = ForwardServer(store.take)
    probes = ProbeServer(settings.host, settings.probe_port, readiness=store.readiness, registry=store.registry)
    try:
        await server.start(settings.host, settings.forward_port)
        probes.start()
        while not stop.is_set():
            await store.keep_house()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _HOUSEKEEPING_SECONDS)
    finally:
        await server.close()
        probes.close()
        store.close()


def main(environ: Mapping[str, str]) -> int:
    """Run until SIGTERM; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    end_with_parent()
    try:
        asyncio.run(serve(Settings.read(environ)))
    except (KeyError, ValueError, OSError, sqlite3.Error) as error:
        _log.error("the log store cannot run: %s: %s", type(error).__name__, error)
        return 1
    return 0
