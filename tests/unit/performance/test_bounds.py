"""How much of predictions and labels is kept on disk and in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.performance import Performance, PerformanceStore, Window
from mlsandbox_serving.performance import store as module
from mlsandbox_serving.performance.reading import LONGEST_NAME, LONGEST_VALUE
from mlsandbox_serving.service.feedback import LONGEST_LABEL
from support.labelled import label, offline_classes, prediction, same

NOW = 1_800_000_000.0
Open = Callable[..., PerformanceStore]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a store whose clock stands."""
    made: list[PerformanceStore] = []

    def begin(**bounds: Any) -> PerformanceStore:
        made.append(PerformanceStore(tmp_path, **{"max_predictions": 100_000, "max_age": 1e6, "clock": lambda: NOW, **bounds}))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def _all(store: PerformanceStore) -> Performance:
    (found,) = [each for each in store.summary(NOW) if each.window is Window.ALL]
    return found


def _labelled(store: PerformanceStore, classes: list[str], requests: int, rows: int) -> list[tuple[str, str, list[float]]]:
    """Add labelled predictions, the newest first; truth, prediction and probabilities of each."""
    dice = np.random.default_rng(1)
    found: list[tuple[str, str, list[float]]] = []
    for number in range(requests):
        probabilities = dice.dirichlet([1.0] * len(classes), rows).tolist()
        predicted = [classes[int(np.argmax(each))] for each in probabilities]
        truth = dice.choice(classes, rows).tolist()
        store.add([prediction(f"r{number}", predicted, at=NOW - 60 - number, probabilities=probabilities, classes=classes)])
        store.add([label(f"r{number}", each, row=row, at=NOW) for row, each in enumerate(truth)])
        found += zip(truth, predicted, probabilities, strict=True)
    return found


def test_probabilities_of_the_newest_rows_are_compared(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound old probabilities are left out, old classes are not; what is left must equal scikit-learn's."""
    monkeypatch.setattr(module, "_MOST_CELLS", 900)
    classes, store = ["a", "b", "c"], opened()
    rows = _labelled(store, classes, 10, 100)

    truth, predicted, _ = zip(*rows, strict=True)
    newest_truth, newest, probabilities = zip(*rows[:300], strict=True)
    expected = offline_classes(newest_truth, newest, classes, probabilities) | offline_classes(truth, predicted, classes)
    assert same(_all(store).metrics, expected)
    assert _all(store).labels == 1_000


def test_many_classes_take_little_memory(opened: Open) -> None:
    """The memory that a summary takes must not grow with rows times classes."""
    store = opened()
    _labelled(store, [f"class {number}" for number in range(200)], 40, 500)
    tracemalloc.start()
    try:
        assert "log_loss" in _all(store).metrics
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 60 * 1024**2


def test_large_tables_are_not_kept_between_summaries(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many versions with many classes each must not add up; the numbers stay the same."""
    store = opened()
    _labelled(store, ["a", "b", "c"], 3, 100)
    before = store.summary(NOW)
    monkeypatch.setattr(module, "_JOINED_BYTES", 100)

    assert store.summary(NOW) == before
    assert store._joined == {}
    assert store.summary(NOW) == before


def test_the_file_is_bounded(opened: Open, tmp_path: Path) -> None:
    """However large each row is, the oldest must go before the file grows past its bound."""
    store, bound = opened(max_bytes=1024**2), 1024**2
    classes = [f"class {number}" for number in range(1_000)]
    for number in range(100):
        store.add(
            [prediction(f"r{number}", classes[:10], at=NOW - 200 + number, probabilities=np.eye(1_000)[:10].tolist(), classes=classes)]
        )
        store.add([label(f"never {number} {row}", "x" * 1_000, at=NOW - 200 + number) for row in range(10)])
    kept = store.totals().kept
    store.close()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * bound
    assert 10 <= kept < 1_000
    assert store.totals().dropped > 0


@pytest.mark.parametrize("long", [{"request": "r" * (LONGEST_NAME + 1)}, {"model": "m" * (LONGEST_NAME + 1)}])
def test_long_names_are_not_kept(opened: Open, long: dict[str, str]) -> None:
    """Whoever sends them, texts of any length must not fill the file."""
    store = opened()
    given = {"request": "r", "model": "m", **long}
    added = store.add([prediction(given["request"], ["a"], at=NOW, model=given["model"])])
    added_label = store.add([label(given["request"], "a", at=NOW, model=given["model"])])

    assert (added.ignored, added_label.ignored, store.totals().kept) == (1, 1, 0)


def test_long_classes_are_not_kept(opened: Open) -> None:
    """A label that /feedback would refuse must not be kept when it comes in another way, and what it takes must be."""
    store = opened()
    store.add([prediction("r", ["a", "b" * (LONGEST_VALUE + 1)], at=NOW, classes=["a", "b" * (LONGEST_VALUE + 1)])])
    added = store.add([label("r", "c" * LONGEST_VALUE, at=NOW), label("r", "c" * (LONGEST_VALUE + 1), row=1, at=NOW)])

    assert (added.labels, added.ignored, _all(store).metrics["accuracy"]) == (1, 1, 0.0)
    assert LONGEST_VALUE == LONGEST_LABEL
