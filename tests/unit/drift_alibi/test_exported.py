"""What Prometheus is told of a window."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlsandbox_serving.contract import Metrics
from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift_alibi import (
    AlibiEngine,
    ColumnResult,
    DetectorResult,
    Latched,
    Method,
    Outliers,
    Reference,
    Verdict,
    WindowResult,
    Worker,
    samples,
)


@pytest.fixture
def verdict(reference: Reference) -> Verdict:
    """One with a window in which `age` has drifted."""
    columns = (
        ColumnResult("age", Kind.FEATURES, Method.NUMBERS, 990, 1e-9, 0.4, 5e-5, drifted=True),
        ColumnResult("age", Kind.OUTLIERS, Method.MISSING, 1_000, 0.2, 1.6, 5e-5, drifted=False),
        ColumnResult("prediction", Kind.PREDICTION, Method.CATEGORIES, 1_000, 0.3, 1.0, 5e-5, drifted=False),
        ColumnResult("prediction", Kind.PREDICTION, Method.MISSING, 1_000, 1.0, 0.0, 5e-5, drifted=False),
    )
    detectors = (DetectorResult("MMDDrift", 0.5, 0.1, 1e-3, drifted=False), DetectorResult("CVMDriftOnline", None, 2.0, 3.0, drifted=False))
    window = WindowResult(1_000, columns, detectors, Outliers(1_000, 0.02, 0.01, 0.03, 0.01), {}, 0.05, 1e9)
    bare = AlibiEngine(reference, worker=Worker()).verdict()
    return replace(bare, window=window, alarms=1, latched=(Latched(Kind.FEATURES, 1_000, 1),))


def test_every_sample_is_told_once_and_fits_its_metric(verdict: Verdict) -> None:
    """Two samples with the same labels would make Prometheus refuse all of them."""
    found = list(samples("wine", "v1", verdict))

    assert all(len(labels) == len(metric.labels) for metric, labels, _ in found)
    keys = [(metric.name, *labels) for metric, labels, _ in found]
    assert len(set(keys)) == len(keys)


def test_a_column_that_has_drifted_is_certain(verdict: Verdict) -> None:
    """Its p-value is told, too; of a detector without one, only that."""
    found = {(metric.name, *labels): value for metric, labels, value in samples("wine", "v1", verdict)}

    assert found[Metrics.DRIFT_CERTAIN.name, "wine", "v1", "alibi", "features", "age"] == 1
    assert found[Metrics.DRIFT_P_VALUE.name, "wine", "v1", "alibi", "features", "age"] == 1e-9
    assert found[Metrics.DRIFT_CERTAIN.name, "wine", "v1", "alibi", "outliers", "age"] == 0
    assert found[Metrics.DRIFT_P_VALUE.name, "wine", "v1", "alibi", "prediction", "prediction"] == 0.3
    assert found[Metrics.DRIFT_P_VALUE.name, "wine", "v1", "alibi", "features", "* MMDDrift"] == 0.5
    assert (Metrics.DRIFT_P_VALUE.name, "wine", "v1", "alibi", "features", "* CVMDriftOnline") not in found
    assert found[Metrics.DRIFT_LATCHED.name, "wine", "v1", "alibi", "features"] == 1
    assert found[Metrics.DRIFT_ROW_SHARE.name, "wine", "v1", "isolation_forest"] == 0.02


def test_only_the_most_improbable_columns_are_told(verdict: Verdict) -> None:
    """A thousand columns would be a thousand series."""
    found = [labels[-1] for metric, labels, _ in samples("wine", "v1", verdict, 1) if metric is Metrics.DRIFT_P_VALUE]

    assert set(found) == {"age", "* MMDDrift"}
