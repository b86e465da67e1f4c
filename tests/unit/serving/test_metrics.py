"""Metrics are made as the contract says, in one process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from mlsandbox_serving.contract import Metric, all_metrics
from mlsandbox_serving.metrics import counter, gauge, histogram, observe_many

MAKERS = {"counter": counter, "gauge": gauge, "histogram": histogram}


@pytest.mark.parametrize("metric", all_metrics(), ids=[metric.name for metric in all_metrics()])
def test_a_metric_has_the_contracts_name(metric: Metric) -> None:
    """A metric is shown with the name, type, help and labels that the contract gives it."""
    registry = CollectorRegistry()

    made = MAKERS[metric.type](metric, registry)
    if metric.labels:
        made.labels(*["x"] * len(metric.labels))

    (family,) = registry.collect()
    names = {sample.name for sample in family.samples}
    assert (family.type, family.documentation) == (metric.type, metric.help)
    assert (metric.name if metric.type != "histogram" else f"{metric.name}_count") in names
    assert set(family.samples[0].labels) - {"le"} == set(metric.labels)


@given(st.lists(st.floats(0, 2, allow_nan=False), max_size=50))
def test_many_observations_at_once_are_the_same_as_one_by_one(values: list[float]) -> None:
    """Adding many values at once gives each bucket what adding them one by one gives; holds the installed prometheus_client to it."""
    bounds = (0.1, 0.5, 1.0)
    one, other = (Histogram("x", "x", buckets=bounds, registry=None) for _ in range(2))

    observe_many(one, values)
    for value in values:
        other.observe(value)

    first, second = (
        {(s.name, *s.labels.values()): s.value for f in h.collect() for s in f.samples if "created" not in s.name} for h in (one, other)
    )
    assert first == pytest.approx(second)
