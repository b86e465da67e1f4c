"""Looks at a monitor, as the service has them, and a folder of its watches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift import Monitor, build_profile
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.drift_sidecar.watches import Seen
from support.drift_service import answers, columns, profile
from support.watched import CHURN, Place

Look = Callable[..., Seen]


@pytest.fixture
def look() -> Look:
    """What is seen of a monitor after some rows; `shift` moves the column `age`, `wide` adds so many columns."""

    def make(rows: int = 2_000, *, shift: float = 0.0, wide: int = 0, name: str = "churn", problem: str | None = None, **more: Any) -> Seen:
        dice = np.random.default_rng(1)
        extra = {f"x{number}": dice.normal(size=6_000).tolist() for number in range(wide)}
        reference = build_profile({**columns(dice, 6_000), **extra}, predictions=answers(dice, 6_000)) if wide else profile()
        monitor = Monitor(reference)
        for _ in range(rows // 100):
            batch = {**columns(dice, 100, shift=shift), **{key: dice.normal(size=100).tolist() for key in extra}, **more}
            monitor.update(batch, answers(dice, 100))
        return Seen(Source(name, "v1"), True, monitor.verdict(everything=True), monitor.histograms(), problem, 1_800_000_000 * 10**9)

    return make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder of watches, with a profile of churn/v1."""
    made = Place(tmp_path)
    made.reference(CHURN)
    return made
