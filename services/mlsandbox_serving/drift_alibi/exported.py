"""What Prometheus is told of the engine: families are the drift service's own, so this only names metrics, labels and values.

It does not tell that a column is "detected", on which people are called: that takes a size of the change, which a p-value is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsandbox_serving.contract import DriftEngine, Metric, Metrics
from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift_alibi.verdict import Verdict

ENGINE: Final = DriftEngine.ALIBI
_LONGEST_LABEL: Final = 120
_EVERY_ROW: Final = "*"
"""Stands for a column in what is said of whole rows: no column's name, but short enough for a legend."""

Sample = tuple[Metric, list[str], float]


def samples(model: str, version: str, verdict: Verdict, most_columns: int = 50) -> Iterator[Sample]:
    """Metric, labels and value of all that is to be told.

    Args:
        model: whose verdict it is.
        version: of the model.
        verdict: of its engine.
        most_columns: the most improbable ones.
    """
    engine = [model, version, ENGINE]
    yield Metrics.DRIFT_WINDOW_ROWS, engine, verdict.window_rows
    yield Metrics.DRIFT_ALARMS, engine, verdict.alarms
    latched = {each.kind for each in verdict.latched}
    for kind in (Kind.FEATURES, Kind.OUTLIERS, Kind.PREDICTION):
        yield Metrics.DRIFT_LATCHED, [*engine, kind.value], kind in latched
    if verdict.window is None:
        return
    window = verdict.window
    yield Metrics.DRIFT_LAST_CHECK, engine, window.ended
    yield Metrics.DRIFT_CHECK_SECONDS, engine, window.seconds
    if window.outliers is not None:
        yield Metrics.DRIFT_ROW_SHARE, [model, version, "isolation_forest"], window.outliers.odd
    for kind in dict.fromkeys(each.kind for each in window.columns):
        yield Metrics.DRIFT_THRESHOLD, [*engine, kind.value], min(each.threshold for each in window.columns if each.kind is kind)
    told: set[tuple[Kind, str]] = set()
    chosen = set(list(dict.fromkeys(each.column for each in window.columns))[:most_columns])
    for each in window.columns:
        key = (each.kind, each.column[:_LONGEST_LABEL])
        if each.column in chosen and key not in told:  # of a prediction's values and of its missing ones, the more improbable
            told.add(key)
            labels = [*engine, each.kind.value, key[1]]
            yield Metrics.DRIFT_P_VALUE, labels, each.p_value
            yield Metrics.DRIFT_CERTAIN, labels, each.drifted
    for detector in window.detectors:
        labels = [*engine, Kind.FEATURES.value, f"{_EVERY_ROW} {detector.name}"]
        yield Metrics.DRIFT_CERTAIN, labels, detector.drifted
        if detector.p_value is not None:
            yield Metrics.DRIFT_P_VALUE, labels, detector.p_value
