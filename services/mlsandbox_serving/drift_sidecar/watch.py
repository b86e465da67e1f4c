"""One version of one model: its monitor, and the rows that wait to become a block."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mlsandbox_serving.drift import Kind, Monitor, Profile, ProfileUnreadable, Settings, StateUnreadable, load_profile
from mlsandbox_serving.drift_sidecar.baseline import read_baseline
from mlsandbox_serving.drift_sidecar.block import Block, Pending
from mlsandbox_serving.drift_sidecar.event import Labelled, Rows
from mlsandbox_serving.drift_sidecar.second import SecondOpinion
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.state import Saved, Snapshot

_log = logging.getLogger(__name__)

_NANOSECONDS: Final = 10**9

Failed = Callable[[Source, int], None]
"""Told of rows (how many) that the engine failed on."""


class Watch:
    """Watches one source.

    Args:
        source: what.
        folder: of its reference profile; None when nobody named one. One that is empty, or not there, says that it has none.
        settings: of the monitor.
        failed: see `Failed`.
        saved: where to go on from.
        second: that gets the same rows beside the monitor; None when there is none.
        clock: epoch seconds; no event is newer than now, whatever it says.
    """

    def __init__(
        self,
        source: Source,
        folder: Path | None,
        settings: Settings,
        failed: Failed,
        *,
        saved: Saved | None = None,
        second: SecondOpinion | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.source: Final = source
        self.problem: str | None = None
        """Why live rows become the reference although a profile was named."""
        self.changed = False
        """Whether there is something to save."""
        self._clock = clock
        self.last_event = self._past(saved.last_event) if saved is not None else 0
        """Epoch nanoseconds of the newest event."""
        self._failed = failed
        self._failure: str | None = None
        self._applied = 0
        self._pending = Pending()
        self._profile = self._load(folder)
        self._monitor = self._made(settings, saved)
        self.baseline: Final = read_baseline(folder) if folder is not None and self._profile is not None else None
        """What rows are compared with when it is not what was packaged."""
        self._second = second
        self._rows_in = folder if self._profile is not None else None
        if second is not None and self._monitor.profile is not None:
            second.open(source, self._monitor.profile, self._rows_in)

    @property
    def rows(self) -> int:
        """Rows that are known of since the last start: compared, learned, or waiting."""
        return self._monitor.rows + self._pending.rows

    @property
    def applied(self) -> int:
        """Place of the last event of a whole block."""
        return self._applied

    @property
    def monitor(self) -> Monitor:
        """As it is with whole blocks alone."""
        return self._monitor

    @property
    def reference(self) -> Profile | None:
        """What rows are compared with; None while it is being learned."""
        return self._monitor.profile

    @property
    def has_use_for_labels(self) -> bool:
        """Whether its reference has labels, with which later ones could be compared."""
        profile = self._monitor.profile
        return profile is not None and bool(profile.names(Kind.PERFORMANCE))

    def add(self, place: int, event: Rows | Labelled | None) -> None:
        """Add an event.

        Args:
            place: of it in the journal.
            event: of this source; None ends the block.
        """
        if isinstance(event, Rows):
            self.last_event = max(self.last_event, self._past(event.time))
        for block in self._pending.end(place) if event is None else self._pending.add(place, event):
            self._update(block)
            self._applied, self.changed = block.last, True

    def look(self) -> Monitor:
        """The monitor as it is with the rows that still wait, for looking at: it must not be updated."""
        waiting = self._pending.unfinished()
        if waiting is None or self._monitor.profile is None:
            return self._monitor
        ahead = Monitor.restore(self._profile, self._monitor.state())
        try:
            _hand_over(ahead, waiting)
        except Exception:  # noqa: BLE001 - it is told when they are a whole block
            return self._monitor
        return ahead

    def snapshot(self) -> Snapshot:
        """What is to be saved."""
        return Snapshot(self.source, self._monitor.state(), self._applied, self.last_event)

    def _past(self, at: int) -> int:
        return min(at, int(self._clock() * _NANOSECONDS))

    def _update(self, block: Block) -> None:
        try:
            _hand_over(self._monitor, block)
        except Exception as error:  # noqa: BLE001 - the stream of events must not end at rows that an engine cannot read
            self._failed(self.source, block.rows)
            described = f"{type(error).__name__}: {error}"
            if described != self._failure:
                _log.exception("%s/%s: %d rows are not compared with the reference", *self.source, block.rows)
            self._failure = described
        if self._second is not None:
            self._second.add(self.source, block, self._monitor.profile, self._rows_in)

    def _load(self, folder: Path | None) -> Profile | None:
        if folder is None or not folder.is_dir() or not any(folder.iterdir()):
            return None
        try:
            return load_profile(folder)
        except ProfileUnreadable as error:
            self._no_reference(str(error))
            return None

    def _no_reference(self, problem: str) -> None:
        self.problem = problem
        _log.warning("%s/%s: %s; its first live rows become the reference", *self.source, problem)

    def _made(self, settings: Settings, saved: Saved | None) -> Monitor:
        if saved is not None and saved.monitor is not None:
            try:
                return Monitor.restore(self._profile, saved.monitor, settings)
            except StateUnreadable as error:
                _log.warning("%s/%s: what was known cannot be used any more (%s): begun anew", *self.source, error)
            except Exception:  # noqa: BLE001 - the profile, or what it was compared with: which of them shows below
                _log.exception("%s/%s: what was known cannot be used any more: begun anew", *self.source)
        try:
            monitor = Monitor(self._profile, settings)
            monitor.verdict(everything=True)  # what cannot be told of is not worth counting
            monitor.histograms()
        except Exception as error:
            if self._profile is None:
                raise
            self._profile = None
            self._no_reference(f"nothing can be compared with the drift profile ({type(error).__name__}: {error})")
            monitor = Monitor(None, settings)
        if self._profile is None:
            _log.info("%s/%s has no reference: its first %d live rows become it", *self.source, settings.learn_rows)
        return monitor


def _hand_over(monitor: Monitor, block: Block) -> None:
    if block.rows:
        monitor.update(block.columns, block.predictions, block.scores)
    if block.labels:
        monitor.feedback(block.labelled, block.labels)
