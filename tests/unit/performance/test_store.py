"""Predictions and labels find each other in whichever order they come, and give the numbers that scikit-learn gives."""

from __future__ import annotations

import random
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.contract import Dataset, Field
from mlsandbox_serving.performance import Performance, PerformanceStore, Window
from mlsandbox_serving.performance.database import FILE
from support.labelled import Event, label, offline_classes, offline_numbers, prediction, same

NOW = 1_800_000_000.0
HOUR = 3_600.0
DAY = 24 * HOUR
CLASSES = ["no", "yes"]


OPENED: list[PerformanceStore] = []


def open_store(folder: Path, **bounds: Any) -> PerformanceStore:
    """A store whose clock stands; closed after the test."""
    OPENED.append(PerformanceStore(folder, **{"max_predictions": 100_000, "max_age": 30 * DAY, "clock": lambda: NOW, **bounds}))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def store(tmp_path: Path) -> PerformanceStore:
    """An empty store."""
    return open_store(tmp_path / "performance")


def of(store: PerformanceStore, window: Window = Window.ALL, version: str = "v1", model: str = "churn") -> Performance:
    (found,) = [one for one in store.summary(NOW) if (one.model, one.version, one.window) == (model, version, window)]
    return found


class Traffic:
    """Predictions of two versions in three windows, each with a label; some labels were wrong at first, some came twice."""

    def __init__(self, seed: int, requests: int = 300) -> None:
        dice = np.random.default_rng(seed)
        self.events: list[Event] = []
        self.labels: list[Event] = []
        self.truth: dict[tuple[str, str], list[tuple[float, str, str, list[float]]]] = {}
        for number in range(requests):
            version, rows = ("v1", "v2")[number % 2], int(dice.integers(1, 4))
            at = NOW - float(dice.choice([60.0, 5 * HOUR, 10 * DAY]))
            second = dice.random(rows)
            probabilities = np.stack([1 - second, second], axis=1).tolist()
            predicted = [CLASSES[int(score > 0.5)] for score in second]
            request = f"request-{number}"
            self.events.append(prediction(request, predicted, at=at, version=version, probabilities=probabilities, classes=CLASSES))
            for row in range(rows):
                true = str(dice.choice(CLASSES))
                other = CLASSES[1 - CLASSES.index(true)]
                if number % 3 == 0:
                    self.labels.append(label(request, other, row=row, at=NOW - 50))
                if number % 5 == 0:
                    self.labels.append(label(request, true, row=row, at=NOW - 40))
                self.labels.append(label(request, true, row=row, at=NOW - 30, version="v2"))
                for window, reach in ((Window.HOUR, HOUR), (Window.DAY, DAY), (Window.ALL, 30 * DAY)):
                    if NOW - at <= reach:
                        self.truth.setdefault((version, window), []).append((at, true, predicted[row], probabilities[row]))

    def check(self, store: PerformanceStore) -> None:
        """Every number is scikit-learn's."""
        found = store.summary(NOW)
        assert [(one.version, one.window) for one in found] == [(version, window) for version in ("v1", "v2") for window in Window]
        for one in found:
            rows = self.truth[one.version, one.window]
            expected = offline_classes([row[1] for row in rows], [row[2] for row in rows], CLASSES, [row[3] for row in rows])
            assert same(one.metrics, expected), (one, expected)
            assert (one.predictions, one.labels, one.unusable, one.coverage) == (len(rows), len(rows), 0, 1.0)


@pytest.mark.parametrize("order", ["predictions first", "labels first", *range(6)])
def test_any_order(store: PerformanceStore, order: str | int) -> None:
    """Labels that come early, late, twice, corrected, for old versions and shuffled must give scikit-learn's numbers."""
    traffic = Traffic(7)
    events = traffic.events + traffic.labels if order != "labels first" else traffic.labels + traffic.events
    if isinstance(order, int):
        random.Random(order).shuffle(events)

    for start in range(0, len(events), 37):
        store.add(events[start : start + 37])

    traffic.check(store)
    totals = store.totals()
    assert (totals.added.predictions, totals.kept) == (len(traffic.truth["v1", Window.ALL]) + len(traffic.truth["v2", Window.ALL]),) * 2
    assert (totals.added.labels, totals.unmatched, totals.dropped) == (len(traffic.labels), 0, 0)
    assert totals.added.repeated + totals.added.corrected == len(traffic.labels) - totals.labels


def test_delivered_again(tmp_path: Path) -> None:
    """Events that are delivered again and again, also after a restart, must count once."""
    traffic = Traffic(8)
    once, again = open_store(tmp_path / "once"), open_store(tmp_path / "again")
    events = traffic.events + traffic.labels
    once.add(events)
    for turn in range(4):
        again.add(random.Random(turn).sample(events, len(events) // 2))
        again.close()
    again.add(events + events)

    traffic.check(again)
    before, after = once.totals(), again.totals()
    assert (after.kept, after.labels, after.unmatched) == (before.kept, before.labels, before.unmatched)
    assert (after.added.predictions, after.added.labels) == (before.added.predictions, before.added.labels)
    assert after.added.redelivered == 4 * (len(events) // 2) + len(events)


@pytest.mark.parametrize("seed", range(4))
def test_what_was_summed_up_before_is_not_stale(tmp_path: Path, seed: int) -> None:
    """Asked after every batch, while old predictions go and files vanish, the numbers must be those of a store that was just opened."""
    traffic = Traffic(seed, requests=40)
    events = (
        traffic.events + traffic.labels + [prediction(f"request-{number}", ["yes"], at=NOW - 20, classes=CLASSES) for number in range(9)]
    )
    random.Random(seed).shuffle(events)
    store = open_store(tmp_path / "asked", max_predictions=50)
    for start in range(0, len(events), 5):
        store.add(events[start : start + 5])
        if start == 100:
            store.close()
        if start == 150:
            (tmp_path / "asked" / FILE).unlink()
        other = open_store(tmp_path / "asked", max_predictions=50)
        assert store.summary(NOW) == other.summary(NOW)
        other.close()


def test_counts_of_a_batch(store: PerformanceStore) -> None:
    """A batch must be answered with what became of it."""
    first, second = prediction("a", ["no", "yes"], at=NOW, classes=CLASSES), label("a", "yes", at=NOW)

    assert store.add([first, second, second]) == (2, 1, 0, 0, 1, 0)
    assert store.add([label("a", "yes", at=NOW + 1), label("a", "no", at=NOW + 2), (0, {Field.EVENT_DATASET: Dataset.ERROR})]) == (
        0,
        2,
        1,
        1,
        0,
        1,
    )
    assert store.totals().added == (2, 3, 1, 1, 1, 1)


@pytest.mark.parametrize("turned", [False, True])
def test_the_last_label_holds(store: PerformanceStore, turned: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Of several labels of a row the last by event time must hold, and of one request the last in it, in whichever order they come."""
    labels = [label("a", "no", at=NOW - 2, place=9), label("a", "no", at=NOW - 1, place=1), label("a", "yes", at=NOW - 1, place=2)]
    events = [prediction("a", ["yes"], at=NOW - 3, classes=CLASSES), *labels]

    store.add(events[::-1] if turned else events)

    assert of(store).metrics["accuracy"] == 1.0


def test_a_request_id_that_is_used_twice(store: PerformanceStore) -> None:
    """When a client uses a request id again, its last answer must count; of another model or version each its own."""
    events = [
        prediction("a", [1.0, 1.0], at=NOW - 9),
        prediction("a", [2.0], at=NOW - 8),
        prediction("a", [5.0], at=NOW - 7, version="v2"),
        prediction("a", [7.0], at=NOW - 7, model="other"),
        label("a", 2.0, at=NOW),
        label("a", 9.0, at=NOW, model="other"),
    ]
    for turn in range(5):
        store.add(random.Random(turn).sample(events, len(events)))

    assert of(store).metrics["mean_absolute_error"] == 0
    assert of(store).predictions == 1
    assert of(store, version="v2").metrics["mean_absolute_error"] == 3
    assert of(store, model="other").metrics["mean_absolute_error"] == 2
    assert store.totals().kept == 3


def test_regression(store: PerformanceStore) -> None:
    """Numbers must give the errors that scikit-learn gives."""
    dice = np.random.default_rng(3)
    predicted, truth = dice.normal(size=(2, 500)).tolist()
    store.add([prediction("a", predicted, at=NOW - 60), *(label("a", value, row=row, at=NOW) for row, value in enumerate(truth))])

    assert same(of(store).metrics, offline_numbers(truth, predicted))


def test_three_classes(store: PerformanceStore) -> None:
    """Several classes, as texts in an order of their own, must give scikit-learn's macro averages."""
    dice = np.random.default_rng(4)
    classes = ["a", "b", "c"]
    probabilities = dice.dirichlet([1, 1, 1], 200)
    predicted = [classes[place] for place in probabilities.argmax(axis=1)]
    truth = dice.choice(classes, 200).tolist()
    event = prediction("r", predicted, at=NOW, probabilities=probabilities.tolist(), classes=classes)
    store.add([event, *(label("r", value, row=row, at=NOW) for row, value in enumerate(truth))])

    assert same(of(store).metrics, offline_classes(truth, predicted, classes, probabilities))


@pytest.mark.parametrize("labels", [[0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0], [False, True, True, False]])
def test_numbers_are_the_same_class(store: PerformanceStore, labels: Sequence[Any]) -> None:
    """1, 1.0 and true must be one class, as JSON and CSV do not tell them apart."""
    store.add(
        [prediction("a", [0, 1, 0, 0], at=NOW, classes=[0, 1]), *(label("a", value, row=row, at=NOW) for row, value in enumerate(labels))]
    )

    assert same(of(store).metrics, offline_classes([0, 1, 1, 0], [0, 1, 0, 0], [0, 1]))


def test_classes_that_nobody_named(store: PerformanceStore) -> None:
    """Without the classes, classes are still told apart; 1 is the positive one of 0 and 1, as scikit-learn has it."""
    store.add([prediction("a", [True, False], at=NOW), label("a", True, at=NOW), label("a", True, row=1, at=NOW)])
    store.add(
        [
            prediction("b", ["x", "y"], at=NOW, model="words"),
            label("b", "x", at=NOW, model="words"),
            label("b", "z", row=1, at=NOW, model="words"),
        ]
    )

    assert of(store).metrics["f1"] == pytest.approx(2 / 3, abs=1e-12)
    assert of(store, model="words").metrics.keys() == {"accuracy", "balanced_accuracy", "f1_macro"}


def test_what_cannot_be_compared_is_counted(store: PerformanceStore) -> None:
    """A text against a number, or a missing prediction, must be counted apart and not as a wrong prediction."""
    store.add(
        [prediction("a", [1, 0, 1], at=NOW, classes=[0, 1]), *(label("a", value, row=row, at=NOW) for row, value in enumerate([1, "0", 1]))]
    )
    store.add(
        [prediction("n", [1.5, None], at=NOW, model="n"), label("n", 1.5, at=NOW, model="n"), label("n", 2.5, row=1, at=NOW, model="n")]
    )

    assert (of(store).labels, of(store).unusable, of(store).metrics["accuracy"]) == (3, 1, 1.0)
    assert (of(store, model="n").labels, of(store, model="n").unusable, of(store, model="n").metrics["mean_absolute_error"]) == (2, 1, 0.0)


def test_a_class_that_the_model_does_not_know(store: PerformanceStore) -> None:
    """A label that is none of the classes is a wrong prediction; numbers of probabilities are those of the others."""
    probabilities = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    event = prediction("a", ["no", "yes", "no"], at=NOW, probabilities=probabilities, classes=CLASSES)
    store.add([event, *(label("a", value, row=row, at=NOW) for row, value in enumerate(["no", "yes", "perhaps"]))])

    found = of(store).metrics

    assert found["accuracy"] == pytest.approx(2 / 3)
    assert "f1" not in found
    assert found["roc_auc"] == 1.0


def test_probabilities_that_are_missing(store: PerformanceStore) -> None:
    """A row whose probabilities are missing must not take those of the others away."""
    event = prediction("a", ["no", "yes", "no"], at=NOW, probabilities=[[0.9, 0.1], [0.2, 0.8], [None, None]], classes=CLASSES)
    store.add([event, *(label("a", value, row=row, at=NOW) for row, value in enumerate(["no", "yes", "no"]))])

    assert (of(store).metrics["roc_auc"], of(store).metrics["accuracy"]) == (1.0, 1.0)


def test_coverage(store: PerformanceStore) -> None:
    """Coverage must be the part of a window's predictions that is labelled; a version without labels has no numbers."""
    store.add(
        [prediction("a", [1.0, 2.0, 3.0, 4.0], at=NOW - 2 * HOUR), label("a", 1.0, at=NOW), prediction("b", [1.0], at=NOW, version="v2")]
    )

    assert (of(store).coverage, of(store, Window.DAY).coverage, of(store, Window.HOUR).coverage) == (0.25, 0.25, None)
    assert (of(store, version="v2").coverage, of(store, version="v2").metrics) == (0.0, {})


def test_what_is_old_goes(tmp_path: Path) -> None:
    """Past the age predictions must go with their labels, and labels without a prediction; versions without predictions too."""
    now = [NOW]
    store = open_store(tmp_path, max_age=100.0, clock=lambda: now[0])
    store.add(
        [
            prediction("a", [1.0], at=NOW - 50),
            label("a", 1.0, at=NOW),
            label("never", 1.0, at=NOW - 50),
            prediction("b", [1.0], at=NOW, version="v2"),
        ]
    )
    assert store.totals().labels == 2

    now[0] = NOW + 60
    store.add([])

    assert [one.version for one in store.summary(NOW + 60)] == ["v2"] * 3
    assert (store.totals().kept, store.totals().labels) == (1, 0)
    assert store.summary(NOW + 200)[0].predictions == 0


def test_predictions_are_bounded(tmp_path: Path) -> None:
    """Past the bound the oldest requests must go with their labels, however many rows they have and whenever they come."""
    store = open_store(tmp_path, max_predictions=100)
    for number in range(60):
        store.add([prediction(f"r{number}", [1.0] * 7, at=NOW - 1000 + number), label(f"r{number}", 1.0, at=NOW)])
    store.add([prediction("too old", [1.0] * 7, at=NOW - 5000), prediction("too large", [1.0] * 101, at=NOW - 4000)])

    totals = store.totals()
    assert (totals.kept, totals.labels, totals.unmatched) == (98, 14, 0)
    assert of(store).predictions == 98


def test_labels_without_a_prediction_are_bounded(tmp_path: Path) -> None:
    """Labels that nothing belongs to must be kept, bounded and counted, and never push out those that have a prediction."""
    store = open_store(tmp_path, max_predictions=50)
    store.add([prediction(f"r{number}", [1.0], at=NOW - 100) for number in range(30)])
    store.add([label(f"r{number}", 1.0, at=NOW - 90) for number in range(30)])
    for start in range(0, 200, 10):
        store.add([label(f"never-{number}", 1.0, at=NOW - 80 + number / 100) for number in range(start, start + 10)])

    totals = store.totals()
    assert (totals.labels, totals.unmatched, totals.dropped) == (50, 20, 180)
    assert of(store).coverage == 1.0
    store.add([prediction("never-199", [3.0], at=NOW)])
    assert of(store).labels == 31


def test_the_memory_of_events_is_bounded(tmp_path: Path) -> None:
    """Not every event that ever came may be remembered."""
    store = open_store(tmp_path, max_predictions=20)
    for number in range(200):
        store.add([prediction(f"r{number}", [1.0], at=NOW + number)])
    store.close()

    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT COUNT(*) FROM seen").fetchone() == (40,)
    connection.close()


def test_a_damaged_database_is_begun_anew(tmp_path: Path) -> None:
    """A file that is no database, or is damaged later, must be moved aside and be begun anew; events are then taken again."""
    (tmp_path / FILE).write_bytes(b"this is no database" * 1000)
    store = open_store(tmp_path)
    store.add([prediction("a", [1.0], at=NOW)])
    store.close()
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:4096] + bytes(4096 * 20))

    store.add([prediction("b", [1.0], at=NOW), label("b", 1.0, at=NOW)])

    assert (of(store).predictions, store.moved_aside) == (1, 2)
    assert len(list(tmp_path.glob("performance.corrupt-*.sqlite3"))) == 2


def test_files_are_private(store: PerformanceStore, tmp_path: Path) -> None:
    """Predictions and labels are nobody else's business."""
    store.add([prediction("a", [1.0], at=NOW)])

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "performance", *(tmp_path / "performance").iterdir()]}
    assert set(modes.values()) == {0o700, 0o600}


JUNK = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.sampled_from(["\udcff", "a", "v1", "churn"])
VALUES = JUNK | st.lists(JUNK | st.lists(JUNK, max_size=3), max_size=4) | st.binary(max_size=4)
NAMES = [Field.EVENT_ID, Field.MODEL, Field.VERSION, Field.REQUEST_ID, Field.PREDICTIONS, Field.PROBABILITIES, Field.CLASSES]
NAMES += [Field.EVENT_SEQUENCE, Field.FEEDBACK_ROW, Field.FEEDBACK_LABEL]


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2**63 - 1]), st.booleans(), st.dictionaries(st.sampled_from(NAMES), VALUES)), max_size=8))
@settings(max_examples=60)
def test_any_event_is_taken_or_ignored(tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, bool, dict[str, Any]]]) -> None:
    """Whatever arrives under our fields' names, the store must go on, and its numbers be numbers."""
    base = {Field.EVENT_ID: "e", Field.MODEL: "churn", Field.VERSION: "v1", Field.REQUEST_ID: "a"}
    good: list[dict[str, Any]] = [
        {Field.EVENT_DATASET: Dataset.PREDICTION, Field.PREDICTIONS: [1, 2]},
        {Field.EVENT_DATASET: Dataset.FEEDBACK, Field.FEEDBACK_ROW: 0, Field.FEEDBACK_LABEL: 1},
    ]
    store = open_store(tmp_path_factory.mktemp("junk"), max_age=2e9)
    store.add(
        [(time, {**base, Field.EVENT_ID: f"e{place}", **good[is_label], **fields}) for place, (time, is_label, fields) in enumerate(drawn)]
    )

    for one in store.summary(NOW):
        assert all(np.isfinite(value) for value in one.metrics.values())
    store.totals()
    store.close()
