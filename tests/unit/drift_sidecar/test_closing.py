"""The end of the drift service: it has ten seconds for it, and what it learned comes first."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from mlsandbox.stack.spec import ServiceSpec
from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift_sidecar import telling
from mlsandbox_serving.drift_sidecar.process import Drift
from mlsandbox_serving.drift_sidecar.settings import Settings
from mlsandbox_serving.drift_sidecar.state import FILE
from mlsandbox_serving.forwarded import Listening
from support.drift_service import events, record


def test_what_was_learned_must_be_saved_before_the_last_events_are_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that does not answer takes seconds, after which the service may be killed."""
    drift = Drift(Settings(tmp_path, Listening("", 0, 0, ""), {}, ("native",), MonitorSettings(), 10.0, 10_000, 1e6))
    asyncio.run(drift.take("sandbox.churn", events([record(np.random.default_rng(1), "a", 100)])))
    unsaved = [_unsaved(tmp_path)]
    close = telling.Telling.close

    def watched(self: telling.Telling) -> None:
        unsaved.append(_unsaved(tmp_path))
        close(self)

    monkeypatch.setattr(telling.Telling, "close", watched)
    drift.close()

    assert unsaved == [1, 0]


def test_delivery_must_end_before_the_service_is_killed() -> None:
    """It goes on beside all else that is closed."""
    (given,) = (each.default for each in fields(ServiceSpec) if each.name == "stop_grace")
    assert isinstance(given, float)
    assert given > telling.CLOSE_SECONDS


def _unsaved(folder: Path) -> int:
    """Events that are in the journal alone."""
    with closing(sqlite3.connect(f"file:{folder / FILE}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM journal").fetchone()[0])
