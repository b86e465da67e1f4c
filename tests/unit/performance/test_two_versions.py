"""Labels of requests that two versions answered."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from mlsandbox_serving.drift_sidecar.event import labelled
from mlsandbox_serving.performance import PerformanceStore
from support.labelled import label, prediction

NOW = 1_800_000_000.0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_label_belongs_to_each_version_that_predicted(tmp_path: Path, order: tuple[int, ...]) -> None:
    """A label of a request that champion and challenger answered must be told once for each, whatever came first."""
    store = PerformanceStore(tmp_path, max_predictions=100, max_age=3_600.0, clock=lambda: NOW)
    events = [prediction("a", [1.0], at=NOW - 9), prediction("a", [2.0], at=NOW - 8, version="v2"), label("a", 1.0, at=NOW)]

    matches = [match for place in order for found in store.join([events[place]]) for match in found]
    store.close()

    assert sorted((match.version, match.prediction, match.label) for match in matches) == [("v1", 1.0, 1.0), ("v2", 2.0, 1.0)]
    assert len({labelled(match).key for match in matches}) == 2
