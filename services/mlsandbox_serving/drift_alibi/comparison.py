"""All that a window is compared with: the detectors of one reference, made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from mlsandbox_serving.drift.streams import Kind, Stream
from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.column_tests import ColumnTests
from mlsandbox_serving.drift_alibi.columns import columns_to_test
from mlsandbox_serving.drift_alibi.detectors import DetectorUnusable, NamedDetector
from mlsandbox_serving.drift_alibi.embedding import Embedding
from mlsandbox_serving.drift_alibi.outliers import OutlierForest
from mlsandbox_serving.drift_alibi.settings import Settings
from mlsandbox_serving.drift_alibi.verdict import ColumnResult, DetectorResult, Outliers

OUTLIERS: Final = "IForest"


class Library(NamedTuple):
    """The parts of alibi-detect that are used."""

    cd: Any
    od: Any


class Found(NamedTuple):
    """What a comparison says; see `verdict.WindowResult`."""

    columns: tuple[ColumnResult, ...]
    detectors: tuple[DetectorResult, ...]
    outliers: Outliers | None
    problems: dict[str, str]


class Comparison:
    """Compares windows with a reference; what of it cannot be made is a problem of every window.

    Args:
        library: alibi-detect.
        streams: columns of the reference.
        table: its rows.
        settings: of the engine.
    """

    def __init__(self, library: Library, streams: Sequence[Stream], table: Floats, settings: Settings) -> None:
        self.problems: Final[dict[str, str]] = {}
        """What could not be made, by name, and why."""
        self._embedding = Embedding(streams, table)
        self._stride = max((stream.stride for stream in streams if stream.kind is Kind.FEATURES), default=1)
        columns = columns_to_test(streams, table, settings.window_rows)
        self._tests = ColumnTests(library.cd, columns, len(streams), settings.p_value)
        known = self._embedding.known(table)
        self._forest = self._grown(library, known, settings.outlier_share) if settings.outliers and len(known) else None
        self._detectors = self._made(library, known, settings) if len(known) else []

    def compare(self, table: Floats) -> Found:
        """Compare a window.

        Raises:
            WrongColumns: it has other columns than the reference.
        """
        columns, problems = self._tests.compare(table)
        problems |= self.problems
        known = self._embedding.known(table)
        if not len(known):
            return Found(columns, (), None, problems)
        outliers: Outliers | None = None
        if self._forest is not None:
            try:
                outliers = self._forest.look(known)
            except Exception as error:  # noqa: BLE001 - what was found in the columns is told all the same
                problems[OUTLIERS] = _described(error)
        results: list[DetectorResult] = []
        for detector in self._detectors:
            try:
                results.append(detector.compare(known[:: self._stride]))
            except Exception as error:  # noqa: BLE001 - the same
                problems[detector.name] = _described(error)
        return Found(columns, tuple(results), outliers, problems)

    def _grown(self, library: Library, table: Floats, share: float) -> OutlierForest | None:
        try:
            return OutlierForest(library.od, self._embedding, table, share)
        except Exception as error:  # noqa: BLE001 - the columns are compared all the same
            self.problems[OUTLIERS] = _described(error)
            return None

    def _made(self, library: Library, table: Floats, settings: Settings) -> list[NamedDetector]:
        found: list[NamedDetector] = []
        for each in settings.detectors:
            try:
                found.append(NamedDetector(library.cd, each, self._embedding, table, settings.p_value))
            except DetectorUnusable as error:
                self.problems[each.name] = str(error)
            except Exception as error:  # noqa: BLE001 - an argument may be anything; the others are made all the same
                self.problems[each.name] = f"{each.name} cannot be made of its arguments: {_described(error)}"
        return found


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
