"""The check before the drift service answers anybody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_sidecar.process import Drift
from mlsandbox_serving.drift_sidecar.settings import Settings
from mlsandbox_serving.forwarded import Listening
from mlsandbox_serving.performance import PerformanceStore
from support.drift_service import events, record


def test_performance_is_not_computed_before_the_service_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many labels it takes seconds; the next check has it."""
    computed: list[float] = []
    summary = PerformanceStore.summary

    def counting(self: PerformanceStore, now: float) -> object:
        computed.append(now)
        return summary(self, now)

    monkeypatch.setattr(PerformanceStore, "summary", counting)
    drift = Drift(Settings(tmp_path, Listening("", 0, 0, ""), {}, ("native",), MonitorSettings(), 10.0, 10_000, 1e6))
    asyncio.run(drift.take("sandbox.churn", events([record(np.random.default_rng(1), "a", 10)])))

    asyncio.run(drift.tend())
    assert computed == []
    asyncio.run(drift.tend())
    assert len(computed) == 1
    assert drift.registry.get_sample_value("sandbox_performance_predictions", {"model": "churn", "version": "v1", "window": "all"}) == 10
    drift.close()
