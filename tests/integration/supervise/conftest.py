"""Toys, and versions behind a front, for all tests of the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from mlsandbox.engines.base import Outcome
from support.engine_bench import Bench
from support.fronted import Fronted


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Nothing runs yet, nor afterwards."""
    made = Bench("embedded", tmp_path)
    yield made
    made.down()
    made.assert_nothing_left()


@pytest.fixture
def fronted(tmp_path: Path) -> Iterator[Fronted]:
    """Nothing runs yet; whatever a test does, nothing may run afterwards."""
    made = Fronted(tmp_path / "größe 1")
    yield made
    made.open_gate()
    made.bench.down()
    made.bench.assert_nothing_left()


@pytest.fixture
def beside() -> Iterator[Callable[[Callable[[], Outcome]], Future[Outcome]]]:
    """Does something in a thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit
