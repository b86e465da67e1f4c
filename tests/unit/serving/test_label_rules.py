"""Labels that are taken from probabilities are those that the model's own predict says, ties and near ties too."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from mlsandbox_serving.models import label_rules, wrap
from support.toy_data import BINARY, TEXT, THREE, X

RULED: dict[str, Any] = {
    "logistic regression": LogisticRegression,
    "tree": lambda: DecisionTreeClassifier(max_depth=2, random_state=0),
    "extra tree": lambda: ExtraTreeClassifier(max_depth=2, random_state=0),
    "forest": lambda: RandomForestClassifier(4, max_depth=2, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(4, max_depth=2, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=2, random_state=0),
    "exponential boosting": lambda: GradientBoostingClassifier(loss="exponential", n_estimators=2, random_state=0),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1, random_state=0),
    "network": lambda: MLPClassifier((3,), max_iter=5, random_state=0),
    "neighbours": lambda: KNeighborsClassifier(4),
    "weighed neighbours": lambda: KNeighborsClassifier(4, weights="distance"),
}
# Scores as good as equal, on both sides of where the rule asks the model; and so large that probabilities are all the same.
SCORES = st.sampled_from(
    [
        0.0,
        -0.0,
        5e-324,
        1e-17,
        -1e-17,
        1e-9,
        4.9e-7,
        5.1e-7,
        1e-6,
        -1e-6,
        2e-6,
        1.0,
        1.0 + 2**-52,
        36.0,
        37.0,
        40.0,
        745.0,
        800.0,
        -40.0,
        -800.0,
    ]
)


@pytest.fixture(autouse=True, scope="module")
def _no_counting_of_cores() -> Iterator[None]:
    """scikit-learn starts a program to count the machine's cores, unless it is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


def assert_labels_are_its_own(model: Any, data: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, about the extreme scores
        answer = wrap(model)[0].predict(data)
        own, probabilities = model.predict(data), model.predict_proba(data)

    np.testing.assert_array_equal(answer.labels, own)
    assert list(map(type, answer.labels.tolist())) == list(map(type, own.tolist()))
    np.testing.assert_array_equal(answer.probabilities, probabilities)


@pytest.mark.parametrize("labels", [BINARY, TEXT, THREE], ids=["numbers", "texts", "three"])
@pytest.mark.parametrize("name", RULED)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_labels_of_ordinary_rows(name: str, labels: Any) -> None:
    """Labels must have the values and the type that predict gives them, for one row as for many."""
    if name == "exponential boosting" and labels is THREE:
        labels = BINARY
    model = RULED[name]().fit(X, labels)

    assert label_rules.rule_of(model) is not None
    assert_labels_are_its_own(model, X)
    assert_labels_are_its_own(model, X[:1])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(SCORES, min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from([2, 3]),
    st.sampled_from(["float64", "float32"]),
)
def test_scores_that_are_as_good_as_equal(scores: list[list[float]], classes: int, dtype: str) -> None:
    """Where the scores of classes differ by their last bits, or not at all, the model's own predict must decide."""
    model = LogisticRegression().fit(
        np.eye(3)[[0, 1, 2, 0]], np.array(["a", "b", "c", "a"][:4]) if classes == 3 else np.array(["a", "b", "b", "a"])
    )
    model.coef_ = np.eye(3, dtype=dtype)[: model.coef_.shape[0]]
    model.intercept_ = np.zeros(model.coef_.shape[0], dtype=dtype)

    for rows in (scores, scores[:1]):
        assert_labels_are_its_own(model, np.array(rows, dtype=dtype))


@settings(max_examples=120, deadline=None)
@given(st.data(), st.sampled_from([name for name in RULED if name != "logistic regression"]))
def test_rows_that_models_are_torn_about(data: st.DataObject, name: str) -> None:
    """Fitted to contradictory rows, of which many are ties, a model must be answered for with its own labels."""
    points = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=8, max_size=8))
    kinds = ["a", "b"] if name == "exponential boosting" else ["a", "b", "c"]
    labels = [*kinds, *data.draw(st.lists(st.sampled_from(kinds), min_size=8 - len(kinds), max_size=8 - len(kinds)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = RULED[name]().fit(np.array(points, dtype=float), np.array(labels))

    grid = np.array([(x / 2, y / 2) for x in range(5) for y in range(3)])
    assert_labels_are_its_own(model, grid)
    assert_labels_are_its_own(model, grid[data.draw(st.integers(0, len(grid) - 1))][None])


@pytest.mark.parametrize("name", [name for name in RULED if "forest" not in name and name != "extra trees"])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_tie_is_left_to_the_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model must be asked for its labels exactly when two classes are as good as equal, or nothing is known of them."""
    model = RULED[name]().fit(X, TEXT)
    predictor = wrap(model)[0]
    monkeypatch.setattr(model, "predict", lambda rows: np.full(len(rows), "asked"))

    for probabilities in ([[0.5, 0.5]], [[0.2, 0.8], [0.5, 0.5 + 1e-8]], [[np.nan, np.nan]], [[np.nan, 0.5]], [[0.0, 0.0]]):
        monkeypatch.setattr(model, "predict_proba", lambda _, given=probabilities: np.array(given))
        assert set(predictor.predict(X).labels) == {"asked"}
    monkeypatch.setattr(model, "predict_proba", lambda _: np.array([[0.2, 0.8], [0.5001, 0.4999]]))
    assert predictor.predict(X).labels.tolist() == ["yes", "no"]


class Shifted(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Decides by other scores."""

    def decision_function(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return super().decision_function(X) - 3


class Threshold(RandomForestClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Has its own idea of labels."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return self.classes_.take((self.predict_proba(X)[:, 1] > 0.9).astype(int))


def patched() -> Any:
    model = LogisticRegression().fit(X, TEXT)
    model.predict = lambda rows: np.full(len(rows), "patched")
    return model


@pytest.mark.parametrize(
    "model",
    [
        Shifted().fit(X, TEXT),
        Threshold(5, random_state=0).fit(X, TEXT),
        patched(),
        GaussianNB().fit(X, TEXT),
        LinearDiscriminantAnalysis().fit(X, TEXT),
        SGDClassifier(loss="modified_huber", random_state=0).fit(X, TEXT),
        KNeighborsClassifier(weights=lambda distances: distances).fit(X, TEXT),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_classifiers_are_asked_for_labels(model: Any) -> None:
    """A classifier that is not known to decide by its probabilities must be asked, subclasses that overrule scikit-learn among them."""
    assert label_rules.rule_of(model) is None
    assert_labels_are_its_own(model, X)


@pytest.mark.parametrize("make", [DecisionTreeClassifier, RandomForestClassifier, KNeighborsClassifier])
def test_several_outputs_have_no_rule(make: Any) -> None:
    """A classifier of several outputs, or of several labels per row, must be asked."""
    assert label_rules.rule_of(make().fit(X, np.stack([BINARY, THREE], axis=1))) is None


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_several_labels_have_no_rule() -> None:
    """A network that says yes or no to each of several labels must be asked."""
    model = MLPClassifier((3,), max_iter=2, random_state=0).fit(X, np.stack([BINARY, 1 - BINARY], axis=1))

    assert label_rules.rule_of(model) is None
    assert wrap(model)[0].predict(X).labels.shape == (len(X), 2)


def test_a_classifier_without_probabilities_has_no_rule() -> None:
    """Where there are no probabilities, labels cannot follow from them."""
    assert label_rules.rule_of(SVC().fit(X, TEXT)) is None
