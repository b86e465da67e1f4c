"""A folder of the drift service's watches, and what is done with them in tests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from mlsandbox_serving.drift import Settings as MonitorSettings
from mlsandbox_serving.drift import save_profile
from mlsandbox_serving.drift_sidecar.event import Result
from mlsandbox_serving.drift_sidecar.settings import Settings, Source
from mlsandbox_serving.drift_sidecar.watches import Watches
from mlsandbox_serving.forwarded import Listening
from support.drift_service import events, profile, record

NOW = 1_800_000_000.0
CHURN, NEXT = Source("churn", "v1"), Source("churn", "v2")


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Place:
    """A folder in which watches are opened again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.failed: Counter[Source] = Counter()
        self.profiles: dict[Source, Path] = {}

    def reference(self, source: Source, seed: int = 0) -> None:
        """Give a source a profile."""
        path = self.folder / "given" / source.version
        save_profile(profile(seed), path)
        self.profiles[source] = path

    def open(self, **monitor: Any) -> Watches:
        """Go on from what is there."""
        known = Settings(
            self.folder / "state", Listening("", 0, 0, ""), self.profiles, ("native",), MonitorSettings(**monitor), 10.0, 10_000, 1e6
        )
        return Watches(known, failed=self._on_failed, clock=self.clock)

    def _on_failed(self, source: Source, rows: int) -> None:
        self.failed[source] += rows


def asked(count: int, seed: int = 1, **settings: Any) -> list[dict[str, Any]]:
    """Events of one to seven rows."""
    dice = np.random.default_rng(seed)
    return [record(dice, f"{seed}-{number}", 1 + number % 7, **settings) for number in range(count)]


def take(watches: Watches, records: list[dict[str, Any]], at: float = NOW) -> Counter[Result]:
    """Have events taken in that came at a time."""
    return watches.take(events(records, at=int(at * 1e9)))


def said_of(watches: Watches, source: Source = CHURN) -> Any:
    """What is said of a source, whether it is current or not."""
    return watches.look_at(source)._replace(current=True)
