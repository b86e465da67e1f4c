"""A champion's package, and its challenger, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from mlsandbox_serving.contract import Env
from mlsandbox_serving.service import challenge
from support.contest import FLIPPED, ROWS, Flipping, key_beside
from support.served import Laid, fitted, lay, people
from support.wired import Wired, wired


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document is looked at more often than it would be."""
    monkeypatch.setattr(challenge, "LOOK_SECONDS", 0.05)


@pytest.fixture(scope="module")
def ages() -> tuple[int, ...]:
    """Of the rows that are flipped."""
    counts = pd.Series([row["age"] for row in ROWS]).value_counts().sort_index()
    chosen: list[int] = []
    for age, count in counts.items():
        if sum(counts[list(chosen)]) + count <= FLIPPED:
            chosen.append(int(str(age)))
    assert sum(counts[chosen]) == FLIPPED
    return tuple(chosen)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    frame = people()
    return lay(tmp_path_factory.mktemp("first"), fitted(frame), frame)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, ages: tuple[int, ...]) -> Iterator[Wired]:
    """The challenger, v2; what it answers and logs is of all tests of this module."""
    frame = people()
    flipping = Flipping(fitted(frame), ages)
    folder = tmp_path_factory.mktemp("second")
    environ = {Env.TRAFFIC_KEY_FILE: str(key_beside(folder / "traffic.json"))}
    with wired(lay(folder, flipping, frame, manifest={"version": "v2", "digest": "sha256:2"}), environ=environ) as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "traffic.json"
