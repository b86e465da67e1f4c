"""The running drift service: acknowledges an event once it cannot be lost any more, checks again and again, answers probes and people."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import logging
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry

from mlsandbox_serving.contract import Metrics, NotReady, Route
from mlsandbox_serving.drift_sidecar.event import Result
from mlsandbox_serving.drift_sidecar.exported import Check, Exported
from mlsandbox_serving.drift_sidecar.page import page
from mlsandbox_serving.drift_sidecar.report import report, status
from mlsandbox_serving.drift_sidecar.settings import NATIVE, Settings, Source
from mlsandbox_serving.drift_sidecar.watches import Seen, Watches
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.forward.server import EventsRefused, ForwardServer
from mlsandbox_serving.lifetime import end_with_parent
from mlsandbox_serving.metrics import counter
from mlsandbox_serving.performance import Performance
from mlsandbox_serving.probes import ProbeServer

T = TypeVar("T")

_log = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 8.0
"""How long a page may wait for events that are being taken in."""
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"


class Drift:
    """The watches behind their Forward server. All work on them happens in one thread, beside the event loop.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self._settings = settings
        self._errors = counter(Metrics.DRIFT_ENGINE_ERRORS, self.registry)
        self._events = counter(Metrics.DRIFT_EVENTS, self.registry)
        self._checks = counter(Metrics.DRIFT_CHECKS, self.registry)
        self._corruptions = counter(Metrics.DRIFT_STATE_CORRUPTIONS, self.registry)
        self._corruptions_told = 0
        self._exported = Exported(settings.check_seconds)
        self.registry.register(self._exported)
        for result in Result:
            self._events.labels(result.value)
        self._failure: str | None = None
        self._last: dict[Source, Check] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drift")
        self._watches = Watches(settings, failed=self._failed)
        for unknown in settings.engines:
            if unknown != NATIVE:
                _log.warning("the engine %s is not part of this service: it does not check anything here", unknown)

    async def take(self, _tag: str, events: list[Event]) -> None:
        """Take events in; returns once they cannot be lost any more.

        Raises:
            EventsRefused: the sender keeps the events.
        """
        try:
            results = await self._in_thread(self._watches.take, events)
        except (sqlite3.Error, OSError) as error:
            self._failure = f"cannot write to {self._settings.folder}: {error}"
            raise EventsRefused(self._failure) from error
        self._failure = None
        for result, count in results.items():
            self._events.labels(result.value).inc(count)

    async def check(self) -> None:
        """Look at everything, tell Prometheus, and save what was not saved for a while."""
        await self._in_thread(self._check)

    def readiness(self) -> dict[str, Any]:
        """The body of /readyz."""
        return {
            "ready": self._failure is None,
            "stack_id": self._settings.stack_id,
            "code": None if self._failure is None else NotReady.STORE_UNWRITABLE,
            "reason": self._failure,
            "final": False,
            "details": {"bytes": self._watches.size()},
        }

    def pages(self) -> Mapping[str, Callable[[], tuple[str, bytes]]]:
        """What is shown to people, by its path."""
        return {
            Route.STATUS: lambda: (_JSON, self._shown(lambda *seen: _json(status(*seen)))),
            Route.REPORT: lambda: (_JSON, self._shown(lambda *seen: _json(report(*seen)))),
            Route.REPORT_PAGE: lambda: (_HTML, self._shown(lambda *seen: page(report(*seen)).encode("utf-8", "backslashreplace"))),
        }

    def close(self) -> None:
        """Finish what is being taken in, save, and close the files."""
        self._thread.shutdown()
        try:
            self._watches.close()
        except sqlite3.Error as error:
            _log.warning("cannot save what was learned last (%s); the journal has it", error)

    def _check(self) -> None:
        checks: dict[Source, Check] = {}
        for source in filter(self._watches.is_current, self._watches.sources()):
            started = time.perf_counter()
            try:
                seen = self._watches.look_at(source)
            except Exception:  # noqa: BLE001 - one model's failure is not that of the others
                _log.exception("%s/%s: the check failed", *source)
                self._checks.labels(*source, NATIVE, "error").inc()
                if source in self._last:
                    checks[source] = self._last[source]
                continue
            checks[source] = Check(seen, time.time(), time.perf_counter() - started)
            self._checks.labels(*source, NATIVE, "ok").inc()
            self._checks.labels(*source, NATIVE, "error")  # a counter that begins at 0 shows its first step as one
            self._errors.labels(*source, NATIVE)
        self._last = checks
        self._exported.show(checks, self._performance())
        self._corruptions.inc(self._watches.corruptions - self._corruptions_told)
        self._corruptions_told = self._watches.corruptions
        try:
            self._watches.keep_house()
        except (sqlite3.Error, OSError) as error:
            _log.warning("cannot save to %s: %s", self._settings.folder, error)

    def _shown(self, made: Callable[[Settings, list[Seen], tuple[Performance, ...]], bytes]) -> bytes:
        """Something made of what is known now; the watches are looked at in their own thread."""

        def look() -> tuple[list[Seen], tuple[Performance, ...]]:
            return [self._watches.look_at(source) for source in self._watches.sources()], self._performance()

        try:
            seen = self._thread.submit(look).result(timeout=_ANSWER_SECONDS)
        except concurrent.futures.TimeoutError as error:
            raise TimeoutError("events are being taken in") from error
        except (RuntimeError, concurrent.futures.CancelledError) as error:
            raise TimeoutError("the service is stopping") from error
        return made(self._settings, *seen)

    def _performance(self) -> tuple[Performance, ...]:
        try:
            return self._watches.performance()
        except (sqlite3.Error, OSError) as error:
            _log.warning("cannot read predictions and labels: %s", error)
            return ()

    def _failed(self, source: Source, rows: int) -> None:
        self._errors.labels(*source, NATIVE).inc(rows)

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
    drift = Drift(settings)
    server = ForwardServer(drift.take)
    probes = ProbeServer(settings.host, settings.http_port, readiness=drift.readiness, registry=drift.registry, pages=drift.pages())
    try:
        await drift.check()
        await server.start(settings.host, settings.forward_port)
        probes.start()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), settings.check_seconds)
            if not stop.is_set():
                await drift.check()
    finally:
        await server.close()
        probes.close()
        drift.close()


def main(environ: Mapping[str, str]) -> int:
    """Run until SIGTERM; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    end_with_parent()
    try:
        asyncio.run(serve(Settings.read(environ)))
    except (KeyError, ValueError, OSError, sqlite3.Error) as error:
        _log.error("the drift service cannot run: %s: %s", type(error).__name__, error)
        return 1
    return 0


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
