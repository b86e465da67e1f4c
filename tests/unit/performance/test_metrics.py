"""Numbers of labelled predictions are those that scikit-learn computes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as offline
from sklearn.exceptions import UndefinedMetricWarning

from mlsandbox_serving.performance import metrics
from support.labelled import offline_classes, offline_numbers, same


def draw(seed: int, rows: int, classes: int, *, ties: bool = False, certain: bool = False) -> tuple[Any, Any, Any]:
    """Labels in which every class occurs, what was predicted, and with which probabilities."""
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), random.integers(0, classes, rows - classes)])
    probabilities = random.dirichlet(np.full(classes, 0.3), rows)
    if ties:
        probabilities = np.round(probabilities * 4) / 4
        probabilities[:, 0] = np.clip(1 - probabilities[:, 1:].sum(axis=1), 0, 1)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    if certain:
        probabilities = np.eye(classes)[random.integers(0, classes, rows)]
    return truth, probabilities.argmax(axis=1), probabilities


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("kind", [{}, {"ties": True}, {"certain": True}], ids=["plain", "ties", "certain"])
@pytest.mark.parametrize("rows", [7, 50, 20_000])
def test_classes(classes: int, kind: dict[str, bool], rows: int) -> None:
    """Of classifiers, with equal scores and with probabilities of 0 and 1, every number must be scikit-learn's."""
    truth, predicted, probabilities = draw(classes * rows, rows, classes, **kind)

    found = metrics.of_classes(truth, predicted, positive=1 if classes == 2 else None) | metrics.of_probabilities(truth, probabilities)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = offline_classes(truth, predicted, range(classes), probabilities)
    assert same(found, expected), (found, expected)


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.5000000000000001, 0.9, 1.0])), min_size=1, max_size=40))
@settings(max_examples=300)
def test_any_two_classes(rows: list[tuple[int, float]]) -> None:
    """Whatever two classes and scores there are, the numbers must be scikit-learn's, and absent where it calls them undefined."""
    truth, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    predicted = (scores > 0.5).astype(int)

    found = metrics.of_classes(truth, predicted, positive=1) | metrics.of_probabilities(truth, np.stack([1 - scores, scores], axis=1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        expected = {
            "accuracy": offline.accuracy_score(truth, predicted),
            "balanced_accuracy": offline.balanced_accuracy_score(truth, predicted),
            "f1": offline.f1_score(truth, predicted, zero_division=np.nan),
            "f1_macro": offline.f1_score(truth, predicted, average="macro"),
            "roc_auc": offline.roc_auc_score(truth, scores),
            "brier_score": offline.brier_score_loss(truth, scores, pos_label=1),
            "log_loss": offline.log_loss(truth, scores, labels=[0, 1]),
        }
    assert same(found, {name: value for name, value in expected.items() if not np.isnan(value)}), (found, expected)


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=50))
@settings(max_examples=200)
def test_numbers(rows: list[tuple[float, float]]) -> None:
    """Of regressions both errors must be scikit-learn's."""
    truth, predicted = np.array(rows).T

    assert same(metrics.of_numbers(truth, predicted), offline_numbers(truth, predicted))


def test_classes_that_only_one_side_has() -> None:
    """Classes that were only predicted, or only labelled, must count as scikit-learn counts them."""
    truth, predicted = [0, 0, 1, 3], [0, 2, 2, 2]

    found = metrics.of_classes(np.array(truth, np.int32), np.array(predicted, np.int32), positive=None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = offline_classes(truth, predicted, range(4))
    assert same(found, expected)


def test_nothing() -> None:
    """Without labels there must be no numbers."""
    nothing = np.array([], np.int32)

    assert metrics.of_classes(nothing, nothing, positive=1) == {}
    assert metrics.of_probabilities(nothing, np.empty((0, 2))) == {}
    assert metrics.of_numbers(nothing.astype(float), nothing.astype(float)) == {}


def test_scores_that_are_no_probabilities() -> None:
    """Scores outside of 0 to 1 must give the area alone; of three classes that do not add up to 1 not even that."""
    assert metrics.of_probabilities(np.array([0, 1]), np.array([[0.0, -3.0], [0.0, 3.0]])) == {"roc_auc": 1.0}
    assert metrics.of_probabilities(np.array([0, 1, 2]), np.eye(3) * 5) == {}


def test_a_class_that_no_label_has() -> None:
    """Of three classes of which one has no label the area must be absent; the others need no label of each."""
    truth, predicted, probabilities = (
        np.array([0, 1, 1]),
        np.array([0, 1, 0]),
        np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1]]),
    )

    found = metrics.of_classes(truth, predicted, positive=None) | metrics.of_probabilities(truth, probabilities)

    assert found.keys() == {"accuracy", "balanced_accuracy", "f1_macro", "brier_score", "log_loss"}
    assert found["log_loss"] == pytest.approx(offline.log_loss(truth, probabilities, labels=[0, 1, 2]), abs=1e-12)
    assert found["brier_score"] == pytest.approx(offline.brier_score_loss(truth, probabilities, labels=[0, 1, 2]), abs=1e-12)
