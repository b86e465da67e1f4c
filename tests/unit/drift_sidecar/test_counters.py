"""What the counters of the service have labels of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_sidecar import watches
from mlsandbox_serving.drift_sidecar.process import Drift
from mlsandbox_serving.drift_sidecar.settings import Settings
from mlsandbox_serving.forwarded import Listening
from support.drift_service import events, record


def _versions(drift: Drift) -> set[str]:
    return {sample.labels["version"] for family in drift.registry.collect() for sample in family.samples if sample.labels.get("version")}


def _sent(drift: Drift, version: str) -> set[str]:
    """Of which versions there are series once an event of this one was looked at."""
    sent = events([record(np.random.default_rng(1), version, 10, version=version)])

    async def taken() -> None:
        await drift.take("sandbox.churn", sent)
        await drift.tend()

    asyncio.run(taken())
    return _versions(drift)


def test_counters_of_what_is_forgotten_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many versions come and go, only of those that are watched there must be series."""
    monkeypatch.setattr(watches, "MOST_SOURCES", 1)
    drift = Drift(Settings(tmp_path, Listening("", 0, 0, ""), {}, ("native",), MonitorSettings(), 10.0, 10_000, 1e6))
    try:
        assert _sent(drift, "v1") == {"v1"}
        with monkeypatch.context() as later:
            later.setattr(watches, "CURRENT_SECONDS", -1.0)
            assert _sent(drift, "v2") == set()
        assert _sent(drift, "v2") == {"v2"}
    finally:
        drift.close()
