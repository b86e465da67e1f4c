"""The engine alibi beside the native one: whatever goes wrong in it is counted and told, and stops nothing of what comes before it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.drift import Profile
from mlsandbox_serving.drift_alibi import Beside, Verdict, Worker
from mlsandbox_serving.drift_alibi.settings import Settings
from mlsandbox_serving.drift_sidecar.block import Block
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.metric_names import Metric

_log = logging.getLogger(__name__)

_FOLDER: Final = "alibi"
_CACHES: Final = {"MPLCONFIGDIR": "matplotlib", "NUMBA_CACHE_DIR": "numba", "HF_HOME": "huggingface"}
"""Where what alibi-detect imports would write into the user's home, which a container's service cannot."""
_SWITCHES: Final = {"MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class SecondOpinion:
    """What alibi says of each source; used from the thread of the watches.

    Args:
        folder: of the drift service; its state lies in a folder below.
        settings: of the engine.
        failed: told of rows (how many) of which something could not be compared; in any thread.
        worker: that compares; None for one of its own.
    """

    def __init__(self, folder: Path, settings: Settings, *, failed: Callable[[Source, int], None], worker: Worker | None = None) -> None:
        self._folder = folder / _FOLDER
        self._failed = failed
        self._failure: str | None = None
        self._beside = Beside(self._folder, settings, failed=lambda source, rows: failed(Source(*source), rows), worker=worker)

    def start(self) -> None:
        """Have alibi-detect imported, beside; returns at once."""
        for name, value in {**{name: str(self._folder / "cache" / place) for name, place in _CACHES.items()}, **_SWITCHES}.items():
            os.environ.setdefault(name, value)
        self._beside.start()

    def follow(self, journal: bytes) -> None:
        """Say of which journal the places are, before any source is opened.

        Args:
            journal: its id.
        """
        self._beside.follow(journal)

    def open(self, source: Source, profile: Profile, rows_in: Path | None) -> None:
        """Go on with a source from what was saved of it, before its next rows come."""
        self._guarded(source, 0, lambda: self._beside.open(source, profile, rows_in))

    def add(self, source: Source, block: Block, profile: Profile | None, rows_in: Path | None) -> None:
        """Add the rows of a block that the native monitor got.

        Args:
            source: whose they are.
            block: of rows.
            profile: of the native monitor; without one nothing is compared yet.
            rows_in: folder in which the rows of the reference are, beside the profile.
        """
        if profile is None or not block.rows:
            return
        self._guarded(
            source,
            block.rows,
            lambda: self._beside.update(
                source, block.last, profile, block.columns, predictions=block.predictions, scores=block.scores, rows_in=rows_in
            ),
        )

    def verdict(self, source: Source) -> Verdict | None:
        """What is to be said of a source; None while there is nothing to compare with."""
        return self._beside.verdict(source)

    def samples(self, source: Source) -> Iterator[tuple[Metric, list[str], float]]:
        """What Prometheus is to be told of a source."""
        yield from self._beside.samples(source)

    def status(self) -> Mapping[str, Any]:
        """Whether the engine works, for JSON."""
        return self._beside.status()

    def save(self) -> bool:
        """Save what has changed, before the native engine does; whether it is on disk. If not, the next save tries again."""
        try:
            self._beside.save()
        except Exception as error:  # noqa: BLE001 - the native engine works on, whatever this one does
            _log.warning("cannot save what alibi knows (%s: %s); the journal keeps its rows", type(error).__name__, error)
            return False
        return True

    def forget(self, source: Source) -> None:
        """Watch a source no more."""
        self._guarded(source, 0, lambda: self._beside.forget(source))

    def close(self) -> None:
        """Save, and end its thread."""
        try:
            self._beside.close()
        except OSError as error:
            _log.warning("cannot save what alibi knows: %s", error)

    def _guarded(self, source: Source, rows: int, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the native engine works on, whatever this one does
            self._failed(source, rows)
            described = f"{type(error).__name__}: {error}"
            if described != self._failure:
                _log.exception("%s/%s: %d rows are not compared by alibi", *source, rows)
            self._failure = described
