"""The running drift service: acknowledges an event once it cannot be lost any more, checks again and again, answers probes and people."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final

from mlsandbox_serving.contract import Metrics, Route
from mlsandbox_serving.drift_alibi import ENGINE as ALIBI
from mlsandbox_serving.drift_sidecar.event import Result
from mlsandbox_serving.drift_sidecar.exported import Check, Exported
from mlsandbox_serving.drift_sidecar.page import page
from mlsandbox_serving.drift_sidecar.report import Json, report, status
from mlsandbox_serving.drift_sidecar.second import SecondOpinion
from mlsandbox_serving.drift_sidecar.settings import NATIVE, Settings, Source
from mlsandbox_serving.drift_sidecar.telling import Telling
from mlsandbox_serving.drift_sidecar.watches import Seen, Watches
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.forwarded import Claim, ForwardedService, run
from mlsandbox_serving.metrics import counter
from mlsandbox_serving.performance import Performance
from mlsandbox_serving.probes import Page

_log = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 8.0
"""How long a page may wait for events that are being taken in."""
_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"


class Drift(ForwardedService):
    """The watches behind their Forward server.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    tends_first: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.listening, settings.folder, tend_seconds=settings.check_seconds)
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
        self._counted: set[Source] = set()
        """Those that counters have labels of."""
        self._last: dict[Source, Check] = {}
        self._has_checked = False
        """The first check is done before anybody is answered, and leaves out what takes long."""
        self._second: SecondOpinion | None = None
        if ALIBI in settings.engines:
            self._second = SecondOpinion(settings.folder, settings.alibi, failed=lambda source, rows: self._failed(source, rows, ALIBI))
        self._watches = Watches(settings, failed=self._failed, second=self._second)
        self._telling = Telling(settings, self.registry)
        self._telling.start()
        if self._second is not None:
            self._second.start()
        for unknown in set(settings.engines) - {NATIVE, ALIBI}:
            _log.warning("the engine %s is not part of this service: it does not check anything here", unknown)

    async def tend(self) -> None:
        """Look at everything, tell Prometheus, and save what was not saved for a while."""
        await self._in_thread(self._check)

    def pages(self) -> Mapping[str, Page]:
        """What is shown to people, by its path."""
        return {
            Route.STATUS: lambda: (_JSON, _json(self._shown(status))),
            Route.REPORT: lambda: (_JSON, _json(self._shown(report))),
            Route.REPORT_PAGE: lambda: (_HTML, page(self._shown(report)).encode("utf-8", "backslashreplace")),
        }

    def left_out(self, count: int) -> None:
        """Tell of events that were not taken, and count them."""
        super().left_out(count)
        self._events.labels(Result.MALFORMED.value).inc(count)

    def _store(self, _tag: str, events: list[Event]) -> None:
        self._telling.rows(events, self._watches.reference)
        for result, count in self._watches.take(events).items():
            self._events.labels(result.value).inc(count)

    def _size(self) -> int:
        return self._watches.size()

    def _close(self) -> None:
        self._telling.stop()  # what is left is delivered while the rest is saved and closed
        try:
            self._watches.close()
        except sqlite3.Error as error:
            _log.warning("cannot save what was learned last (%s); the journal has it", error)
        self._telling.close()

    def _check(self) -> None:
        checks: dict[Source, Check] = {}
        self._forget_counted(self._counted - set(self._watches.sources()))
        for source in filter(self._watches.is_current, self._watches.sources()):
            started = time.perf_counter()
            self._counted.add(source)
            try:
                seen = self._watches.check(source)
            except Exception:  # noqa: BLE001 - one model's failure is not that of the others
                _log.exception("%s/%s: the check failed", *source)
                self._checks.labels(*source, NATIVE, "error").inc()
                if source in self._last:
                    checks[source] = self._last[source]
                continue
            checks[source] = Check(seen, time.time(), time.perf_counter() - started)
            self._checks.labels(*source, NATIVE, "ok").inc()
            self._checks.labels(*source, NATIVE, "error")  # a counter that begins at 0 shows its first step as one
            for engine in (NATIVE,) if self._second is None else (NATIVE, ALIBI):
                self._errors.labels(*source, engine)
        self._last = checks
        beside = [] if self._second is None else [sample for source in checks for sample in self._second.samples(source)]
        self._exported.show(checks, self._performance() if self._has_checked else (), beside)
        self._has_checked = True
        corruptions = self._watches.corruptions + self._telling.moved_aside
        self._corruptions.inc(corruptions - self._corruptions_told)
        self._corruptions_told = corruptions
        try:
            self._telling.alerts([check.seen for check in checks.values()], self._watches.is_current)
            self._watches.keep_house()
        except (sqlite3.Error, OSError) as error:
            _log.warning("cannot save to %s: %s", self._settings.folder, error)

    def _forget_counted(self, sources: set[Source]) -> None:
        """Leave out of the counters what is not watched any more."""
        for source in sources:
            for engine in (NATIVE, ALIBI):
                self._errors.remove(*source, engine)
            for result in ("ok", "error"):
                self._checks.remove(*source, NATIVE, result)
        self._counted -= sources

    def _shown(self, made: Callable[[Settings, list[Seen], tuple[Performance, ...], list[Json]], Json]) -> Json:
        """Something made of what is known now; the watches are looked at in their own thread."""

        def look() -> tuple[list[Seen], tuple[Performance, ...]]:
            return list(self._looked_at()), self._performance()

        try:
            seen = self._thread.submit(look).result(timeout=_ANSWER_SECONDS)
        except concurrent.futures.TimeoutError as error:
            raise TimeoutError("events are being taken in") from error
        except (RuntimeError, concurrent.futures.CancelledError) as error:
            raise TimeoutError("the service is stopping") from error
        return made(self._settings, *seen, self._engines())

    def _looked_at(self) -> Iterator[Seen]:
        """All that can be told; a model of which nothing can be is left out, and the check that fails on it counts that."""
        for source in self._watches.sources():
            try:
                yield self._watches.look_at(source)
            except Exception:  # noqa: BLE001 - one model's failure is not that of the others
                _log.exception("%s/%s: cannot be shown", *source)

    def _performance(self) -> tuple[Performance, ...]:
        try:
            return self._watches.performance()
        except (sqlite3.Error, OSError) as error:
            _log.warning("cannot read predictions and labels: %s", error)
            return ()

    def _engines(self) -> list[Json]:
        """Every engine that was asked for, and whether it works."""
        known: dict[str, Json] = {NATIVE: {"name": NATIVE, "on": True, "status": "ready", "reason": None}}
        if self._second is not None:
            known[ALIBI] = dict(self._second.status())
        named = dict.fromkeys(self._settings.engines, "it is not part of this service") | dict(self._settings.engines_off)
        return [known.get(name) or {"name": name, "on": False, "status": "off", "reason": why} for name, why in named.items()]

    def _failed(self, source: Source, rows: int, engine: str = NATIVE) -> None:
        self._counted.add(source)
        self._errors.labels(*source, engine).inc(rows)


def main(environ: Mapping[str, str]) -> int:
    """Run until SIGTERM; the exit code."""
    return run("the drift service", lambda: Drift(Settings.read(environ)), lambda: _claim(Settings.read(environ)))


def _claim(settings: Settings) -> Claim:
    """Where its state is, which two services would spoil for each other."""
    return Claim(settings.listening, settings.folder)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
