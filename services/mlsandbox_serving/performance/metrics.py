"""Numbers that say how well labels were predicted, equal to those of scikit-learn and named as its scorers are (without "neg_").

A number that scikit-learn calls undefined, as the ROC AUC of one class alone, is left out rather than made up.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
"""Classes as places in a list of them."""
Floats = NDArray[np.float64]

ACCURACY: Final = "accuracy"
BALANCED_ACCURACY: Final = "balanced_accuracy"
F1: Final = "f1"
"""Of the second of two classes."""
F1_MACRO: Final = "f1_macro"
ROC_AUC: Final = "roc_auc"
"""Of the second of two classes."""
ROC_AUC_OVR: Final = "roc_auc_ovr"
"""Of three classes or more: each against the rest, macro-averaged."""
BRIER_SCORE: Final = "brier_score"
LOG_LOSS: Final = "log_loss"
MEAN_ABSOLUTE_ERROR: Final = "mean_absolute_error"
ROOT_MEAN_SQUARED_ERROR: Final = "root_mean_squared_error"

_CHUNK: Final = 1_000
"""Rows of which there is a second table at a time."""
_EPSILON: Final = float(np.finfo(np.float64).eps)


def of_classes(truth: Codes, predicted: Codes, *, positive: int | None) -> dict[str, float]:
    """Numbers of predicted classes.

    Args:
        truth: the labels.
        predicted: as many.
        positive: the class that counts as positive, when these are two classes.
    """
    if not len(truth):
        return {}
    size = int(max(truth.max(), predicted.max())) + 1
    right = np.bincount(truth[truth == predicted], minlength=size)
    true, found = np.bincount(truth, minlength=size), np.bincount(predicted, minlength=size)
    either = true + found
    scores = {
        ACCURACY: float(np.mean(truth == predicted)),
        BALANCED_ACCURACY: float(np.mean(right[true > 0] / true[true > 0])),
        F1_MACRO: float(np.mean(2 * right[either > 0] / either[either > 0])),
    }
    if positive is not None and positive < size and either[positive]:
        scores[F1] = float(2 * right[positive] / either[positive])
    return scores


def of_probabilities(truth: Codes, probabilities: Floats) -> dict[str, float]:
    """Numbers of predicted probabilities.

    Args:
        truth: the labels, as places of the columns.
        probabilities: a row for each label, a column for each class.
    """
    rows, classes = probabilities.shape
    if not rows or classes < 2:
        return {}
    scores = {}
    own = probabilities[np.arange(rows), truth]
    if classes == 2:
        areas = [_area(truth == 1, probabilities[:, 1])]
    else:
        areas = [_area(truth == place, probabilities[:, place]) for place in range(classes)]
    if None not in areas and (classes == 2 or np.allclose(1, probabilities.sum(axis=1))):
        scores[ROC_AUC if classes == 2 else ROC_AUC_OVR] = float(np.mean(np.array(areas, np.float64)))
    if probabilities.min() >= 0 and probabilities.max() <= 1:
        scores[BRIER_SCORE] = _brier(truth, probabilities)
        scores[LOG_LOSS] = float(np.mean(-np.log(np.clip(own, _EPSILON, 1 - _EPSILON))))
    return scores


def of_numbers(truth: Floats, predicted: Floats) -> dict[str, float]:
    """Numbers of predicted numbers."""
    if not len(truth):
        return {}
    with np.errstate(over="ignore"):
        errors = truth - predicted
        scores = {MEAN_ABSOLUTE_ERROR: float(np.mean(np.abs(errors))), ROOT_MEAN_SQUARED_ERROR: float(np.sqrt(np.mean(errors**2)))}
    return {name: score for name, score in scores.items() if np.isfinite(score)}


def _area(positive: NDArray[np.bool_], scores: NDArray[Any]) -> float | None:
    """The area under the ROC curve: how often a positive row scores higher than a negative one, equal scores counting half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    above = float(ranks[place[positive]].sum()) - positives * (positives + 1) / 2
    return above / positives / negatives


def _brier(truth: Codes, probabilities: Floats) -> float:
    """The mean squared distance from what was true; of two classes that of the second alone."""
    rows, classes = probabilities.shape
    if classes == 2:
        return float(np.mean(((truth == 1) - probabilities[:, 1]) ** 2))
    distances = np.empty(rows)
    for start in range(0, rows, _CHUNK):
        part = probabilities[start : start + _CHUNK].copy()
        part[np.arange(len(part)), truth[start : start + _CHUNK]] -= 1
        distances[start : start + _CHUNK] = np.sum(part**2, axis=1)
    return float(np.mean(distances))
