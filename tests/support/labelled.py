"""Predictions and labels as events, and the numbers that scikit-learn gives for them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from mlsandbox_serving.contract import Dataset, Field

Event = tuple[int, Mapping[str, Any]]
SECOND = 10**9
TOLERANCE = 1e-12


def prediction(
    request: str,
    values: Sequence[Any],
    *,
    at: float,
    version: str = "v1",
    model: str = "churn",
    probabilities: Sequence[Sequence[float | None]] | None = None,
    classes: Sequence[Any] | None = None,
) -> Event:
    """The event of a prediction that was made `at` (epoch seconds)."""
    record: dict[str, Any] = {
        Field.EVENT_ID: uuid.uuid4().hex,
        Field.EVENT_DATASET: Dataset.PREDICTION,
        Field.MODEL: model,
        Field.VERSION: version,
        Field.REQUEST_ID: request,
        Field.PREDICTIONS: list(values),
    }
    if probabilities is not None:
        record[Field.PROBABILITIES] = [list(row) for row in probabilities]
    if classes is not None:
        record[Field.CLASSES] = list(classes)
    return int(at * SECOND), record


def label(request: str, value: Any, *, at: float, row: int = 0, model: str = "churn", version: str = "v1", place: int = 0) -> Event:
    """The event of a label that was handed in `at` (epoch seconds) to the service of `version`."""
    return int(at * SECOND), {
        Field.EVENT_ID: uuid.uuid4().hex,
        Field.EVENT_DATASET: Dataset.FEEDBACK,
        Field.MODEL: model,
        Field.VERSION: version,
        Field.REQUEST_ID: request,
        Field.EVENT_SEQUENCE: place,
        Field.FEEDBACK_ROW: row,
        Field.FEEDBACK_LABEL: value,
    }


def offline_classes(truth: Sequence[Any], predicted: Sequence[Any], classes: Sequence[Any], probabilities: Any = None) -> dict[str, float]:
    """All numbers of a classifier whose labels are all among its (ordered) classes, as scikit-learn computes them."""
    scores = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "f1_macro": metrics.f1_score(truth, predicted, average="macro"),
    }
    two = len(classes) == 2
    if two:
        scores["f1"] = metrics.f1_score(truth, predicted, pos_label=classes[1])
    if probabilities is not None:
        matrix = np.asarray(probabilities)
        if two:
            scores["roc_auc"] = metrics.roc_auc_score(truth, matrix[:, 1])
            scores["brier_score"] = metrics.brier_score_loss(truth, matrix[:, 1], pos_label=classes[1])
        else:
            scores["roc_auc_ovr"] = metrics.roc_auc_score(truth, matrix, multi_class="ovr", labels=classes)
            scores["brier_score"] = metrics.brier_score_loss(truth, matrix, labels=classes)
        scores["log_loss"] = metrics.log_loss(truth, matrix, labels=classes)
    return {name: float(value) for name, value in scores.items()}


def offline_numbers(truth: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """The numbers of a regression, as scikit-learn computes them."""
    return {
        "mean_absolute_error": float(metrics.mean_absolute_error(truth, predicted)),
        "root_mean_squared_error": float(metrics.root_mean_squared_error(truth, predicted)),
    }


def same(found: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    """Whether these are the same numbers, to the last few bits."""
    return found.keys() == expected.keys() and all(
        abs(found[name] - value) <= TOLERANCE * max(1.0, abs(value)) for name, value in expected.items()
    )
