"""The drift service's own events: written into a spool of its own, which a shipper in a thread beside delivers like that of any model.

They go to the log alone, never back into the drift service: it is none of its shipper's sinks, and takes their datasets for nothing
of a model besides.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from mlsandbox_serving.drift import OutlierMask, Profile
from mlsandbox_serving.drift_sidecar.alert_events import SERVICE, changes, ends
from mlsandbox_serving.drift_sidecar.row_events import row_events
from mlsandbox_serving.drift_sidecar.settings import Settings, Source
from mlsandbox_serving.drift_sidecar.told import Told
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.spool.shipper import DRAIN_SECONDS, Shipper
from mlsandbox_serving.spool.writer import Offered, SpoolWriter

_log = logging.getLogger(__name__)

FOLDER: Final = "spool"
"""Of the spool, in the service's folder."""

CLOSE_SECONDS: Final = DRAIN_SECONDS + 2.0
"""From `stop` on; with all else that is closed meanwhile it is to be less than what a service of a stack gets to end in."""


class Telling:
    """Writes events and delivers them. All but the delivery happens in the thread of the caller.

    Args:
        settings: of the service.
        registry: gets the metrics of spool and delivery.
        clock: epoch seconds.

    Raises:
        sqlite3.Error, OSError: the folder cannot be used.
    """

    def __init__(self, settings: Settings, registry: CollectorRegistry, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._flags = settings.flag_rows
        self._masks: dict[Source, tuple[Profile, OutlierMask]] = {}
        self._told = Told(settings.folder)
        folder = settings.folder / FOLDER
        self._spool = SpoolWriter(folder, worker=SERVICE, max_bytes=settings.spool_bytes, max_age=settings.retention_seconds)
        self._shipper = Shipper(folder, settings.sinks, model=SERVICE, max_bytes=settings.spool_bytes, max_age=settings.retention_seconds)
        self._dropped: Counter[str] = Counter()
        registry.register(self._shipper.registry)
        self._stop = threading.Event()
        self._stopped = 0.0
        self._thread = threading.Thread(target=self._shipper.run, args=(self._stop,), name="shipper", daemon=True)

    @property
    def moved_aside(self) -> int:
        """Databases found damaged and begun anew so far."""
        return self._told.moved_aside

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def alerts(self, seen: Iterable[Seen], is_current: Callable[[Source], bool]) -> None:
        """Tell what changed since it was last told, and forget what is known of sources that are not current any more.

        Args:
            seen: of sources that are.
            is_current: whether a source is served now, or was until a moment ago.

        Raises:
            sqlite3.Error, OSError: what is not told yet is told at the next call.
        """
        now = self._clock()
        for each in seen:
            found = changes(self._told.standing(each.source), each, now)
            if found:
                self._told.note(each.source, found, now)
        for source in self._told.sources():
            if not is_current(source):
                self._told.note(source, ends(source, self._told.standing(source), now), now)
        for source in [source for source in self._masks if not is_current(source)]:
            del self._masks[source]
        for number, at, record in self._told.outbox():
            if self._spool.offer(record, at) is Offered.NOT_NOW:
                break
            self._told.sent(number)  # or it never can be, which is counted: those behind it are not to wait for it
        self._count()

    def rows(self, events: Sequence[Event], reference: Callable[[Source], Profile | None]) -> None:
        """Tell which rows of these predictions stand apart, when that is wanted.

        Args:
            events: as they arrive.
            reference: the profile of a source; None while it has none.
        """
        if not self._flags:
            return
        try:
            self._spool.append_many(row_events(events, lambda source: self._mask(source, reference(source))))
        except Exception:  # noqa: BLE001 - the stream of events must not end at rows that cannot be read
            _log.exception("rows of %d events are not looked at", len(events))
        self._count()

    def stop(self) -> None:
        """Have what is there delivered, for a few seconds at most and beside; returns at once."""
        self._spool.close()
        if not self._stop.is_set():
            self._stop.set()
            self._stopped = time.monotonic()

    def close(self) -> None:
        """Wait until that is done, and close the files."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(max(self._stopped + CLOSE_SECONDS - time.monotonic(), 0))
        self._told.close()

    def _mask(self, source: Source, profile: Profile | None) -> OutlierMask | None:
        if profile is None:
            return None
        known = self._masks.get(source)
        if known is None or known[0] is not profile:
            known = self._masks[source] = profile, OutlierMask(profile.streams)
        return known[1]

    def _count(self) -> None:
        for reason, count in (self._spool.dropped - self._dropped).items():
            self._shipper.count_dropped(reason, count)
        self._dropped = Counter(self._spool.dropped)
