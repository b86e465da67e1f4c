"""Predictions, probabilities and labels as columns: what a model answered is watched like what it was asked."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mlsandbox_serving.drift.values import Floats, Values, key, numbers, sequence

PREDICTION: Final = "prediction"
SCORE: Final = "score"
LABEL: Final = "label"
LOSS: Final = "loss"
"""Distance of a predicted number from the label."""
ERROR: Final = "error"
"""Whether a predicted class is not the label."""
MOST_OUTPUTS: Final = 20
"""Of a model with several, that are watched."""


def prediction_columns(predictions: Any, names: tuple[str, ...] | None = None) -> dict[str, Values]:
    """One column, or one per output of a model with several.

    Args:
        predictions: one value or one list of values per row.
        names: of the columns that a profile has; None to find out.
    """
    values = sequence(predictions)
    if values is None:
        return {}
    if names is None:
        outputs = [_outputs(value) for value in values if value is not None]
        width = max((len(output) for output in outputs if output is not None), default=0)
        names = tuple(f"{PREDICTION}[{index}]" for index in range(min(width, MOST_OUTPUTS))) or (PREDICTION,)
    if names == (PREDICTION,):
        return {PREDICTION: values}
    rows = [_outputs(value) for value in values]
    return {name: [None if row is None or index >= len(row) else row[index] for row in rows] for index, name in enumerate(names)}


def score_column(scores: Any) -> Values | None:
    """One number per row: of two classes the probability of the second, of more the highest, or the scores as they are."""
    values = sequence(scores)
    if values is None:
        return None
    try:
        table = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):  # odd values among them
        return [_score(value) for value in values]
    if table.ndim == 2 and table.shape[1]:
        return table[:, 1] if table.shape[1] == 2 else table.max(axis=1)
    return table if table.ndim == 1 else [None] * len(values)


def error_column(predictions: Values, labels: Values) -> list[bool | None]:
    """Whether each predicted class is wrong; None without a prediction or label."""
    pairs = [(key(prediction), key(label)) for prediction, label in zip(predictions, labels, strict=True)]
    return [None if prediction is None or label is None else prediction != label for prediction, label in pairs]


def loss_column(predictions: Values, labels: Values) -> Floats:
    """How far each predicted number is off; NaN without a prediction or label."""
    with np.errstate(over="ignore"):
        losses: Floats = np.minimum(np.abs(numbers(predictions) - numbers(labels)), np.finfo(np.float64).max)
    return losses


def _outputs(value: Any) -> Values | None:
    return sequence(value) if isinstance(value, list | tuple | np.ndarray) else None


def _score(value: Any) -> Any:
    outputs = _outputs(value)
    if outputs is None:
        return value
    found = numbers(outputs)
    if not len(found) or np.isnan(found).any():
        return None
    return float(found[1]) if len(found) == 2 else float(found.max())
