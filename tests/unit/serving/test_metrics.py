"""Metrics are made as the contract says, in one process."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mlsandbox_serving.cells import Cells
from mlsandbox_serving.contract import Metric, all_metrics
from mlsandbox_serving.metrics import counter, gauge, histogram

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


@given(st.lists(st.floats(-1, 2) | st.sampled_from([0.1, 0.5, 1.0, math.inf]), max_size=50))
def test_many_observations_at_once_are_the_same_as_one_by_one(values: list[float]) -> None:
    """Adding many values at once must give each bucket what prometheus_client gives it one by one; holds the installed version to it."""
    bounds = (0.1, 0.5, 1.0)
    many, each, other = (Histogram("x", "x", buckets=bounds, registry=None) for _ in range(3))

    Cells().buckets(many).many(values)
    buckets = Cells().buckets(each)
    for value in values:
        buckets.one(value)
        other.observe(value)

    first, second, third = (
        {(s.name, *s.labels.values()): s.value for f in h.collect() for s in f.samples if "created" not in s.name}
        for h in (many, each, other)
    )
    assert first == pytest.approx(third)
    assert second == third


def test_a_cell_is_the_number_of_its_metric() -> None:
    """What a cell is set to and grows by must be what its metric shows."""
    counted, shown = Counter("x", "x", registry=None), Gauge("y", "y", registry=None)

    Cells().cell(counted).add(2)
    Cells().cell(counted).add(1)
    Cells().cell(shown).set(7)

    assert [next(iter(metric.collect())).samples[0].value for metric in (counted, shown)] == [3, 7]
