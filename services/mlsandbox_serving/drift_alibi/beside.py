"""The engine beside the native one in the drift service: an engine for each version of each model, and their state on disk.

The drift service replays its journal after a start, from the place at which it last saved. What was compared here is saved with its own
place, and rows up to there are passed over, so that saving this first and the rest after it neither loses rows nor counts them twice.
A place says nothing in another journal, so that the id of the journal is saved, too; with another one everything begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.drift import Profile, StateUnreadable
from mlsandbox_serving.drift_alibi.engine import AlibiEngine
from mlsandbox_serving.drift_alibi.exported import ENGINE, Sample, samples
from mlsandbox_serving.drift_alibi.reference import Reference, ReferenceUnreadable, load_reference
from mlsandbox_serving.drift_alibi.settings import Settings
from mlsandbox_serving.drift_alibi.verdict import Status, Verdict
from mlsandbox_serving.drift_alibi.worker import Worker

_log = logging.getLogger(__name__)

Source = tuple[str, str]
"""Model and version."""
Failed = Callable[[Source, int], None]
"""Told of rows (how many) of which something could not be compared; called in the worker's thread."""
_SUFFIX: Final = ".alibi"
_PLACE_BYTES: Final = 8
_JOURNAL_BYTES: Final = 16
_HEAD_BYTES: Final = _JOURNAL_BYTES + _PLACE_BYTES


class Beside:
    """All engines; used from one thread.

    Args:
        folder: for their state.
        settings: of each.
        failed: see `Failed`.
        worker: that compares; None for one of its own.
    """

    def __init__(self, folder: Path, settings: Settings | None = None, *, failed: Failed, worker: Worker | None = None) -> None:
        self._folder = folder
        self._settings = settings or Settings()
        self._failed = failed
        self._worker = worker or Worker()
        self._engines: dict[Source, AlibiEngine] = {}
        self._places: dict[Source, int] = {}
        self._unreadable: dict[Source, str] = {}
        self._changed: set[Source] = set()
        self._journal = bytes(_JOURNAL_BYTES)
        for orphan in folder.glob(f".*{_SUFFIX}.*"):
            with contextlib.suppress(OSError):
                orphan.unlink()

    def start(self) -> None:
        """Have alibi-detect imported; returns at once."""
        self._worker.start()

    def follow(self, journal: bytes) -> None:
        """Say of which journal the places are, before any source is opened.

        Args:
            journal: its id, 16 bytes.
        """
        self._journal = journal

    def open(self, source: Source, profile: Profile, rows_in: Path | None = None) -> None:
        """Go on with a source from what was saved of it; the arguments are those of `update`."""
        if source not in self._engines:
            self._begin(source, profile, rows_in)

    def update(
        self,
        source: Source,
        place: int,
        profile: Profile,
        columns: Mapping[str, Any] | None,
        *,
        predictions: Any = None,
        scores: Any = None,
        rows_in: Path | None = None,
    ) -> None:
        """Add rows, unless they were added before the last start.

        Args:
            source: whose they are.
            place: of the last of them in the journal.
            profile: of the source's reference; that of the native monitor, which has one once it has learned it.
            columns: as `AlibiEngine.update` takes them.
            predictions: likewise.
            scores: likewise.
            rows_in: folder in which the rows of the reference are, beside the profile; without them, the first live rows become it.
        """
        self.open(source, profile, rows_in)
        if place > self._places[source]:
            self._engines[source].update(columns, predictions, scores)
            self._places[source] = place
            self._changed.add(source)

    def verdict(self, source: Source) -> Verdict | None:
        """What is to be said of a source; None before it was opened."""
        engine = self._engines.get(source)
        return None if engine is None else replace(engine.verdict(), reference_problem=self._unreadable.get(source))

    def samples(self, source: Source) -> Iterator[Sample]:
        """What Prometheus is to be told of a source."""
        verdict = self.verdict(source)
        if verdict is not None:
            yield from samples(*source, verdict)

    def status(self) -> dict[str, Any]:
        """Whether the engine works, for JSON."""
        status, problem = self._worker.status, self._worker.problem
        return {"name": ENGINE, "on": status is not Status.FAILED, "status": status.value, "reason": problem}

    def save(self) -> None:
        """Save all that has changed; to be called before the places in the journal are given up.

        Raises:
            OSError: it cannot be written.
        """
        for source in sorted(self._changed):
            path = self._path(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            head = self._journal + self._places[source].to_bytes(_PLACE_BYTES, "big")
            try:
                with temporary.open("wb") as file:
                    file.write(head + self._engines[source].state())
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync(path.parent)
            self._changed.discard(source)

    def forget(self, source: Source) -> None:
        """Watch a source no more."""
        self._path(source).unlink(missing_ok=True)
        self._engines.pop(source, None)
        self._places.pop(source, None)
        self._unreadable.pop(source, None)
        self._changed.discard(source)

    def wait(self, seconds: float) -> bool:
        """Wait until all windows are compared; whether they are."""
        return self._worker.wait(seconds)

    def close(self) -> None:
        """Save, and end the thread.

        Raises:
            OSError: it cannot be written.
        """
        try:
            self.save()
        finally:
            self._worker.close()

    def _begin(self, source: Source, profile: Profile, rows_in: Path | None) -> None:
        reference = self._reference(source, profile, rows_in)
        self._places[source] = 0
        path = self._path(source)
        try:
            saved = path.read_bytes()
            self._check_journal(saved[:_JOURNAL_BYTES])
            self._engines[source] = self._restored(source, reference, saved[_HEAD_BYTES:])
            self._places[source] = int.from_bytes(saved[_JOURNAL_BYTES:_HEAD_BYTES], "big")
        except FileNotFoundError:
            pass
        except (StateUnreadable, OSError) as error:
            _log.warning("%s/%s: what alibi knew cannot be used any more (%s): begun anew", *source, error)
        if source not in self._engines:
            self._engines[source] = AlibiEngine(reference, self._settings, worker=self._worker, failed=self._told(source))

    def _check_journal(self, journal: bytes) -> None:
        if journal != self._journal:
            raise StateUnreadable("it belongs to a journal that is gone")

    def _reference(self, source: Source, profile: Profile, rows_in: Path | None) -> Reference:
        if rows_in is not None:
            try:
                reference = load_reference(rows_in, profile)
                if reference.table is None or len(reference.table) >= self._settings.window_rows:
                    return reference
                few = f"{len(reference.table)} reference rows are fewer than a window of {self._settings.window_rows}"
                _log.warning("%s/%s: %s; alibi compares with the first live rows instead", *source, few)
                self._unreadable[source] = few
            except ReferenceUnreadable as error:
                _log.warning("%s/%s: %s; alibi compares with the first live rows instead", *source, error)
                self._unreadable[source] = str(error)
        return Reference(profile)

    def _restored(self, source: Source, reference: Reference, state: bytes) -> AlibiEngine:
        return AlibiEngine.restore(reference, state, self._settings, worker=self._worker, failed=self._told(source))

    def _told(self, source: Source) -> Callable[[int], None]:
        return lambda rows: self._failed(source, rows)

    def _path(self, source: Source) -> Path:
        name = hashlib.blake2b("/".join(source).encode(), digest_size=16).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"


def _sync(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
