"""The running log store: acknowledges an event once it is committed, deletes by age and size, answers probes."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.contract import Env, Metrics
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.forwarded import ForwardedService, Listening, run
from mlsandbox_serving.log_store.row import to_row
from mlsandbox_serving.log_store.store import EventStore
from mlsandbox_serving.metrics import counter, gauge

_log = logging.getLogger(__name__)

_HOUSEKEEPING_SECONDS: Final = 10.0
_DEFAULT_RETENTION_SECONDS: Final = 7 * 86_400.0
_DEFAULT_BYTES: Final = 2 * 10**9
_NANOSECONDS: Final = 10**9


class Settings(NamedTuple):
    """What the environment says; see `contract.Env`."""

    folder: Path
    listening: Listening
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
            listening=Listening.read(environ, Env.LOG_STORE_PORT),
            retention_seconds=float(environ.get(Env.LOG_RETENTION_SECONDS) or _DEFAULT_RETENTION_SECONDS),
            max_bytes=int(environ.get(Env.LOG_STORE_BYTES) or _DEFAULT_BYTES),
        )


class LogStore(ForwardedService):
    """The store behind its Forward server.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.listening, settings.folder, tend_seconds=_HOUSEKEEPING_SECONDS)
        self._settings = settings
        self._events_store = EventStore(settings.folder)
        self._events = counter(Metrics.LOG_STORE_EVENTS, self.registry)
        self._bytes = gauge(Metrics.LOG_STORE_BYTES, self.registry)
        self._corruptions = counter(Metrics.LOG_STORE_CORRUPTIONS, self.registry)
        self._corruptions_told = 0

    async def tend(self) -> None:
        """Delete what is too old or too much, in small steps between which events are stored; then measure."""
        try:
            oldest = int((time.time() - self._settings.retention_seconds) * _NANOSECONDS)
            while await self._in_thread(self._events_store.delete_older, oldest):
                pass
            while await self._in_thread(self._events_store.shrink, self._settings.max_bytes):
                pass
        except (sqlite3.Error, OSError) as error:
            _log.warning("cannot delete old events in %s: %s", self._settings.folder, error)
        self._bytes.set(self._size())
        self._corruptions.inc(self._events_store.corruptions - self._corruptions_told)
        self._corruptions_told = self._events_store.corruptions

    def _store(self, tag: str, events: list[Event]) -> None:
        stored = self._events_store.add([to_row(tag, event) for event in events])
        self._events.labels("stored").inc(stored.new)
        self._events.labels("duplicate").inc(stored.duplicate)

    def _size(self) -> int:
        return self._events_store.size()

    def _close(self) -> None:
        self._events_store.close()


def main(environ: Mapping[str, str]) -> int:
    """Run until SIGTERM; the exit code."""
    return run("the log store", lambda: LogStore(Settings.read(environ)))
