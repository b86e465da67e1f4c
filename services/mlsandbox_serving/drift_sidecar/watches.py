"""All that the drift service knows, used from one thread: watches, their state on disk, predictions and labels."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mlsandbox_serving.drift import Histogram, Kind, Monitor, Profile, Verdict
from mlsandbox_serving.drift_alibi import Verdict as Opinion
from mlsandbox_serving.drift_sidecar.baseline import Baseline
from mlsandbox_serving.drift_sidecar.copies import Copies
from mlsandbox_serving.drift_sidecar.event import Labelled, Result, Rows, labelled, read
from mlsandbox_serving.drift_sidecar.second import SecondOpinion
from mlsandbox_serving.drift_sidecar.settings import Settings, Source
from mlsandbox_serving.drift_sidecar.state import Saved, StateStore
from mlsandbox_serving.drift_sidecar.watch import Failed, Watch
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.performance import Performance, PerformanceStore
from mlsandbox_serving.performance.adding import Match

_log = logging.getLogger(__name__)

MOST_SOURCES: Final = 32
"""Versions of models that are watched at a time, over all models; those that are served now always are."""
CURRENT_SECONDS: Final = 900.0
"""So long after its last event a version that is not served any more is still told about."""
UNDECIDED_SECONDS: Final = 5.0
"""So long rows that change an alert wait for those that make them a whole block."""
_JOURNAL_BYTES: Final = 8 * 1024 * 1024
_MOST_JOURNAL_BYTES: Final = 8 * _JOURNAL_BYTES
"""While the engine beside cannot save, the journal keeps its rows until there are so many bytes of them."""
_SAVE_SECONDS: Final = 60.0
_NANOSECONDS: Final = 10**9
_CALM: Final = 20.0
"""So many times as long as it takes to compute the performance, it is left alone."""


class Seen(NamedTuple):
    """What is to be said of one source."""

    source: Source
    current: bool
    """Whether it is served now, or was until a moment ago."""
    verdict: Verdict
    """About all columns."""
    histograms: tuple[Histogram, ...]
    problem: str | None
    """Why there is no reference although a profile was named."""
    last_event: int
    """Epoch nanoseconds; 0 before the first one."""
    second: Opinion | None = None
    """What the engine beside says; None when there is none, or it has nothing to compare with."""
    baseline: Baseline | None = None
    """What rows are compared with when it is not what was packaged."""

    @property
    def window_rows(self) -> int:
        """The recent rows that are compared; labels have a window of their own."""
        return max((histogram.rows for histogram in self.histograms if histogram.kind is not Kind.PERFORMANCE), default=0)


class Watches:
    """Everything that is watched.

    Args:
        settings: of the service.
        failed: told of rows that an engine failed on.
        clock: epoch seconds.
        second: that gets the same rows beside the native monitors, from the same place in the journal; None when there is none.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(
        self, settings: Settings, *, failed: Failed, clock: Callable[[], float] = time.time, second: SecondOpinion | None = None
    ) -> None:
        self._settings = settings
        self._failed = failed
        self._clock = clock
        self._second = second
        self._copies = Copies(settings.folder)
        self._state = StateStore(settings.folder)
        if second is not None:
            second.follow(self._state.identity)
        self._performance = PerformanceStore(
            settings.folder, max_predictions=settings.max_predictions, max_age=settings.max_age_seconds, clock=clock
        )
        self._watches: dict[Source, Watch] = {}
        self._undecided: dict[Source, tuple[int, float]] = {}
        self._saved_at = clock()
        self._save_at_bytes = _JOURNAL_BYTES
        self._performed: tuple[Performance, ...] = ()
        self._perform_after = 0.0
        self._resume()

    @property
    def corruptions(self) -> int:
        """Files found damaged and begun anew so far."""
        return self._state.corruptions + self._performance.moved_aside

    def take(self, events: Sequence[Event]) -> Counter[Result]:
        """Take events in; when this returns, nothing of them can be lost or counted again.

        Raises:
            sqlite3.Error, OSError: nothing was taken in that a second delivery would count twice.
        """
        found = [read(event) for event in events]
        results = Counter(each for each in found if isinstance(each, Result))
        joined = [place for place, each in enumerate(found) if isinstance(each, Rows) or each is Result.FEEDBACK]
        matches = dict(zip(joined, self._join([events[place] for place in joined]), strict=True)) if joined else {}
        taken: list[Rows | Labelled] = []
        for place, each in enumerate(found):
            if isinstance(each, Rows):
                if self._has_room(each.source, taken):
                    taken.append(each)
                else:
                    results[Result.REFUSED] += 1
            taken += map(labelled, filter(self._has_use, matches.get(place, ())))
        for given, written in zip(taken, self._state.append(taken), strict=True):
            if isinstance(given, Rows):
                results[Result.DUPLICATE if written is None else Result.USED] += 1
            if written is not None:
                self._watched(given.source).add(*written)
        if self._state.unsaved_bytes > self._save_at_bytes:
            self.save()
        return +results

    def sources(self) -> list[Source]:
        """All that is watched, what is current first."""
        return sorted(self._watches, key=lambda source: not self.is_current(source))

    def is_current(self, source: Source) -> bool:
        """Whether it is served now, or was until a moment ago."""
        if source in self._settings.profiles:
            return True
        watch = self._watches.get(source)
        return watch is not None and self._clock() - watch.last_event / _NANOSECONDS < CURRENT_SECONDS

    def reference(self, source: Source) -> Profile | None:
        """What a source's rows are compared with; None while there is nothing."""
        watch = self._watches.get(source)
        return None if watch is None else watch.reference

    def look_at(self, source: Source) -> Seen:
        """What is to be shown of one source, with the rows that are no whole block yet."""
        watch = self._watches[source]
        return self._seen(watch, watch.look())

    def check(self, source: Source) -> Seen:
        """What is to be told of one source: no alert that only rows change which are no whole block yet.

        The whole block may not change it. When the other rows do not come for a while, those that are there are made one.

        Raises:
            sqlite3.Error: their end cannot be written.
        """
        watch = self._watches[source]
        ahead = watch.look()
        if ahead is watch.monitor or _alerts(ahead) == _alerts(watch.monitor):
            self._undecided.pop(source, None)
            return self._seen(watch, ahead)
        applied, since = self._undecided.get(source, (None, 0.0))
        if applied != watch.applied:
            self._undecided[source] = watch.applied, self._clock()
        elif self._clock() - since >= UNDECIDED_SECONDS:
            watch.add(self._state.end_block(source), None)
        return self._seen(watch, watch.monitor)

    def _seen(self, watch: Watch, monitor: Monitor) -> Seen:
        source = watch.source
        return Seen(
            source,
            self.is_current(source),
            monitor.verdict(everything=True),
            monitor.histograms(),
            watch.problem,
            watch.last_event,
            None if self._second is None else self._second.verdict(source),
            watch.baseline,
        )

    def performance(self) -> tuple[Performance, ...]:
        """How well versions predict; computed anew when that was long enough ago for what it costs.

        Raises:
            sqlite3.Error, OSError: it cannot be read.
        """
        started = self._clock()
        if started >= self._perform_after:
            self._performed = self._performance.summary(started)
            self._perform_after = started + _CALM * (self._clock() - started)
        return self._performed

    def keep_house(self) -> None:
        """Save what was not saved for a while.

        Raises:
            sqlite3.Error: it cannot be saved; the journal still has it.
        """
        if self._clock() - self._saved_at >= _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Save all monitors that have changed; none while the engine beside cannot save, since the journal has to keep its rows.

        Past the bound of the journal the monitors are saved all the same. The engine beside has the rows of before in memory then, and
        loses them when the process ends before it can save.

        Raises:
            sqlite3.Error: they cannot be saved; the journal still has what they have seen.
        """
        self._saved_at = self._clock()
        # First: rows that it has seen are passed over when the journal has them once more.
        if self._second is not None and not self._second.save():
            if self._state.unsaved_bytes < _MOST_JOURNAL_BYTES:
                self._save_at_bytes = self._state.unsaved_bytes + _JOURNAL_BYTES
                return
            _log.error("alibi could not save for %d MB of rows: it loses them if the service ends now", _MOST_JOURNAL_BYTES // 1024**2)
        changed = [watch for watch in self._watches.values() if watch.changed]
        if changed:
            self._state.save([watch.snapshot() for watch in changed])
        for watch in changed:
            watch.changed = False
        self._save_at_bytes = _JOURNAL_BYTES

    def size(self) -> int:
        """Bytes of the state on disk."""
        return self._state.size()

    def close(self) -> None:
        """Save and close the files.

        Raises:
            sqlite3.Error: they cannot be saved; the journal has what they have seen.
        """
        try:
            self.save()
        finally:
            if self._second is not None:
                self._second.close()
            self._state.close()
            self._performance.close()

    def _resume(self) -> None:
        saved = {each.source: each for each in self._state.sources()}
        others = sorted(set(saved) - set(self._settings.profiles), key=lambda source: saved[source].last_event)
        for source in others[: max(len(others) + len(self._settings.profiles) - MOST_SOURCES, 0)]:
            self._forget(source)
            del saved[source]
        for source in dict.fromkeys([*self._settings.profiles, *saved]):
            watch = self._watches[source] = self._watch(source, self._folder(source), saved.get(source))
            if source in saved:
                for place, event in self._state.journal(source):
                    watch.add(place, event)
        self._copies.drop_others(self._watches)

    def _has_use(self, match: Match) -> bool:
        """Whether the label is compared with those of the reference."""
        watch = self._watches.get(Source(match.model, match.version))
        return watch is not None and watch.has_use_for_labels

    def _join(self, events: Sequence[Event]) -> list[list[Match]]:
        """Keep predictions and labels; what cannot be kept although the disk is well must not stop what comes after it."""
        try:
            return self._performance.join(events)
        except (sqlite3.Error, OSError):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the same would happen at each delivery
            if len(events) == 1:
                _log.exception("an event is left out of the performance")
                return [[]]
            return [match for each in events for match in self._join([each])]

    def _folder(self, source: Source) -> Path | None:
        """Where a source's profile is: of one that is not served any more, the copy that was made while it was."""
        given = self._settings.profiles.get(source)
        if given is None:
            return self._copies.find(source)
        self._copies.keep(source, given)
        return given

    def _watched(self, source: Source) -> Watch:
        if source not in self._watches:
            self._watches[source] = self._watch(source, None)
        return self._watches[source]

    def _watch(self, source: Source, folder: Path | None, saved: Saved | None = None) -> Watch:
        return Watch(source, folder, self._settings.monitor, self._failed, saved=saved, second=self._second, clock=self._clock)

    def _has_room(self, source: Source, taken: Sequence[Rows | Labelled]) -> bool:
        """Whether a source is watched, or may be, if need be in the place of the one that was silent for longest.

        Args:
            source: of an event.
            taken: what is about to be written, whose sources are not silent.
        """
        if source in self._watches:
            return True
        if len(self._watches) >= MOST_SOURCES:
            busy = {each.source for each in taken}
            silent = [watch for watch in self._watches.values() if watch.source not in busy and not self.is_current(watch.source)]
            silent.sort(key=lambda watch: watch.last_event)
            while silent and len(self._watches) >= MOST_SOURCES:
                self._forget(silent.pop(0).source)
        if len(self._watches) >= MOST_SOURCES:
            return False
        self._watched(source)
        return True

    def _forget(self, source: Source) -> None:
        self._state.forget(source)
        self._copies.drop(source)
        self._undecided.pop(source, None)
        if self._second is not None:
            self._second.forget(source)
        self._watches.pop(source, None)
        _log.warning("%s/%s is forgotten: more than %d versions sent events", *source, MOST_SOURCES)


def _alerts(monitor: Monitor) -> list[tuple[Kind, int | None, bool]]:
    return [(kind.kind, kind.since, kind.page) for kind in monitor.verdict().kinds]
