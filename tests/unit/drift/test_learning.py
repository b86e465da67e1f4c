"""Live rows that become the reference: how many are kept, and how much of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift import Kind, Monitor, Settings, build_profile, learning


@pytest.fixture
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if only so many could be kept."""
    monkeypatch.setattr(learning, "MOST_VALUES", 3_000)


@pytest.mark.usefixtures("few_values")
def test_of_a_wide_table_fewer_rows_are_kept() -> None:
    """However many columns there are, what is kept must be bounded, and the verdict say how many rows there were."""
    dice = np.random.default_rng(1)
    monitor = Monitor(None, Settings(learn_rows=5_000))
    batch = {f"x{column}": dice.normal(size=100) for column in range(17)}
    monitor.update(batch, [[0.5, 0.5]] * 100)
    assert monitor.verdict().learning == 50
    for _ in range(3):
        monitor.update(batch, [[0.5, 0.5]] * 100)

    assert (monitor.verdict().reference_rows, monitor.verdict().learning, monitor.rows) == (150, 0, 250)


@pytest.mark.usefixtures("few_values")
def test_columns_that_come_later_count_as_well() -> None:
    """Names that are new in every batch must not make a table of all of them."""
    monitor = Monitor(None, Settings(learn_rows=5_000))
    for number in range(12):
        monitor.update({f"{number} {column}": [1.5] for column in range(40)})
        monitor = Monitor.restore(None, monitor.state())

    assert monitor.verdict().reference_rows == 8


def test_long_values_are_shortened_and_learned_as_they_are() -> None:
    """What is kept of a long text, list or answer must be short, and the reference be the one that the whole values give."""
    dice = np.random.default_rng(2)
    texts = [f"{letter}" * 1_000 for letter in "abcde"]
    columns: dict[str, Any] = {
        "text": dice.choice(texts, 500).tolist(),
        "list": [[letter, {"long": texts[0]}] for letter in dice.choice(["a", "b"], 500).tolist()],
        "number": dice.normal(size=500).tolist(),
    }
    predictions = [[*row, *[0.0] * 100] for row in dice.normal(size=(500, 2)).tolist()]
    scores = [[0.25, 0.75, *[0.0] * 50]] * 500
    monitor = Monitor(None, Settings(learn_rows=500))
    monitor.update({name: values[:499] for name, values in columns.items()}, predictions[:499], scores[:499])
    assert len(monitor.state()) < 1_000_000 // 4
    monitor.update({name: values[499:] for name, values in columns.items()}, predictions[499:], scores[499:])

    learned, known = monitor.profile, build_profile(columns, predictions=predictions, scores=scores)
    assert learned is not None
    assert learned.names(Kind.PREDICTION) == known.names(Kind.PREDICTION)
    for one, other in zip(learned.streams, known.streams, strict=True):
        assert (one.name, one.counts.tolist(), one.cells.names()) == (other.name, other.counts.tolist(), other.cells.names())
