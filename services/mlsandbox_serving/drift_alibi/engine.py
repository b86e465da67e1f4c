"""The engine of one version of one model: rows go in, windows are compared beside, a verdict is there at any time.

    engine = AlibiEngine(load_reference(folder, profile))
    engine.load()  # returns at once
    engine.update(event["sandbox.inputs"], event["sandbox.predictions"])
    engine.verdict().window

`update` and `verdict` never wait for alibi-detect.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlsandbox_serving.drift import StateUnreadable
from mlsandbox_serving.drift.state import fingerprint
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.comparison import Comparison, Library
from mlsandbox_serving.drift_alibi.progress import Progress
from mlsandbox_serving.drift_alibi.reference import Coder, Reference, WrongColumns, check_columns, sample
from mlsandbox_serving.drift_alibi.saved import Saved, pack, unpack
from mlsandbox_serving.drift_alibi.settings import Settings
from mlsandbox_serving.drift_alibi.verdict import Status, Verdict, WindowResult
from mlsandbox_serving.drift_alibi.worker import Worker

Failed = Callable[[int], None]
"""Told of rows (how many) of which something could not be compared; called in the worker's thread, or where rows are added."""


class AlibiEngine:
    """Compares the rows of one model's version with its reference.

    Args:
        reference: without a table, the first live rows become it.
        settings: of the engine.
        worker: that several engines may share; None for one of its own.
        failed: see `Failed`.
    """

    def __init__(
        self, reference: Reference, settings: Settings | None = None, *, worker: Worker | None = None, failed: Failed | None = None
    ) -> None:
        self._settings = settings or Settings()
        self._profile = reference.profile
        self._coder = Coder(reference.profile)
        self._worker = worker or Worker()
        self._failed = failed or (lambda _: None)
        self._lock = threading.Lock()
        self._learns = reference.table is None
        self._table = self._none() if reference.table is None else sample(reference.table, self._settings.reference_rows)
        self._partial = self._none()
        self._waiting: deque[tuple[int, Floats]] = deque()
        self._rows = 0
        self._progress = Progress()
        self._comparison: Comparison | None = None
        self._problem: str | None = None
        if not self._learns:
            self._worker.submit(self._prepare)

    @property
    def worker(self) -> Worker:
        """What compares its windows."""
        return self._worker

    def load(self) -> None:
        """Have alibi-detect imported, in the worker's thread; until then windows wait."""
        self._worker.start()

    def update(self, columns: Mapping[str, Any] | None, predictions: Any = None, scores: Any = None) -> None:
        """Add rows; nothing that an event can hold makes this fail.

        Args:
            columns: name to values, one per row; a column of the reference that is not there counts as missing in all rows. Without
                any column, as when inputs are not logged, only what the model answered is compared.
            predictions: one value or one list of values per row; None when they are not known.
            scores: a list of class probabilities, or one number, per row; None when there are none.
        """
        table = self._coder.table(columns, predictions, scores)
        with self._lock:
            table = self._learned(table)
            self._rows += len(table)
            self._partial = np.vstack([self._partial, table])
            while len(self._partial) >= self._settings.window_rows:
                window, self._partial = np.split(self._partial, [self._settings.window_rows])
                self._put(self._rows - len(self._partial), window)

    def verdict(self) -> Verdict:
        """What is to be said now."""
        with self._lock:
            missing = self._missing
            return Verdict(
                status=Status.FAILED if self._problem else self._worker.status,
                problem=self._problem or self._worker.problem,
                rows=self._rows,
                reference_rows=0 if missing else len(self._table),
                learning=missing,
                window_rows=self._settings.window_rows,
                windows=self._progress.windows,
                waiting=len(self._waiting),
                dropped=self._progress.dropped,
                failed=self._progress.failed,
                alarms=self._progress.alarms,
                last_alarm=self._progress.last_alarm,
                latched=self._progress.latched(),
                window=self._progress.window,
                problems=dict(self._comparison.problems) if self._comparison is not None else {},
                left_out=dict(self._profile.left_out),
            )

    def state(self) -> bytes:
        """All that is needed to go on elsewhere, with the rows that were not compared yet; detectors of single rows begin anew there."""
        with self._lock:
            return pack(
                Saved(
                    fingerprint=fingerprint(self._profile) or "",
                    rows=self._rows,
                    progress=self._progress,
                    partial=self._partial,
                    waiting=tuple(self._waiting),
                    learned=self._table if self._learns else None,
                )
            )

    @classmethod
    def restore(
        cls,
        reference: Reference,
        state: bytes,
        settings: Settings | None = None,
        *,
        worker: Worker | None = None,
        failed: Failed | None = None,
    ) -> AlibiEngine:
        """The engine that gave this state.

        Raises:
            StateUnreadable: the state is damaged, of a later version, or of another reference.
        """
        saved = unpack(state)
        engine = cls(reference, settings, worker=worker, failed=failed)
        if saved.fingerprint != fingerprint(reference.profile) or (saved.learned is not None) != engine._learns:
            raise StateUnreadable("it belongs to another reference")
        width = len(engine._coder.streams)
        try:
            for table in (saved.partial, *(table for _, table in saved.waiting), *(() if saved.learned is None else (saved.learned,))):
                check_columns(table, width)
        except WrongColumns as error:
            raise StateUnreadable(str(error)) from error
        if saved.learned is not None:
            engine._table = saved.learned
        engine._rows, engine._progress, engine._partial = saved.rows, saved.progress, saved.partial
        for last_row, table in saved.waiting:
            engine._put(last_row, table)
        return engine

    def wait(self, seconds: float) -> bool:
        """Wait until all windows are compared; whether they are."""
        return self._worker.wait(seconds)

    @property
    def _missing(self) -> int:
        """Rows that the reference still lacks; there is nothing to compare with before."""
        return max(self._settings.learn_rows - len(self._table), 0) if self._learns else 0

    def _none(self) -> Floats:
        return np.empty((0, len(self._coder.streams)))

    def _learned(self, table: Floats) -> Floats:
        """What is left of some rows when the reference has taken its part."""
        missing = self._missing
        if not missing:
            return table
        self._table = np.vstack([self._table, table[:missing]])
        return table[missing:]

    def _put(self, last_row: int, window: Floats) -> None:
        if len(self._waiting) >= self._settings.waiting_windows or not self._worker.hold(window.nbytes):
            self._progress.dropped += len(window)
            self._failed(len(window))
            return
        self._waiting.append((last_row, window))
        self._worker.submit(self._compare_next)

    def _compare_next(self, library: Library | None) -> None:
        """Compare the window that waits for longest, which goes on waiting until it is; called in the worker's thread alone."""
        with self._lock:
            last_row, table = self._waiting[0]
        result: WindowResult | None = None
        try:
            result = self._compared(library, last_row, table)
        finally:
            with self._lock:
                self._waiting.popleft()
                failed = len(table) if result is None or result.problems else 0
                self._progress.failed += failed
                if result is not None:
                    self._progress.add(result)
            self._worker.let_go(table.nbytes)
            if failed:
                self._failed(failed)

    def _prepare(self, library: Library | None) -> None:
        """Make the detectors before there is a window, so that it is known early which of them cannot be made."""
        if library is not None:
            self._made(library)

    def _made(self, library: Library) -> Comparison:
        if self._comparison is None:
            self._comparison = Comparison(library, self._coder.streams, self._table, self._settings)
        return self._comparison

    def _compared(self, library: Library | None, last_row: int, table: Floats) -> WindowResult | None:
        if library is None:
            return None
        started = time.perf_counter()
        try:
            found = self._made(library).compare(table)
        except Exception as error:
            self._problem = f"windows cannot be compared ({type(error).__name__}: {error})"
            raise
        self._problem = None
        return WindowResult(last_row, *found, time.perf_counter() - started, time.time())
