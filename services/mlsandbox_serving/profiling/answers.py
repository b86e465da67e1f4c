"""The model's own answers to reference rows, as events hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mlsandbox_serving.capture import CaptureError
from mlsandbox_serving.models import Predictor
from mlsandbox_serving.schema import Columns, Schema
from mlsandbox_serving.service.predicting import as_json

BATCH: Final = 10_000
"""Rows that the model is asked about at a time."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One entry per row.

    Args:
        predictions: a value, or a list of values.
        probabilities: a list; None when the model has none.
    """

    predictions: list[Any]
    probabilities: list[Any] | None


def ask(predictor: Predictor, schema: Schema, columns: Columns, *, guarded: bool) -> Answers:
    """Predict rows in batches.

    Args:
        predictor: the model.
        schema: of it.
        columns: the rows.
        guarded: whether a column is private or hashed; what the model says of a row that it fails on may quote a value, and is not told.

    Raises:
        CaptureError: the model fails on them, or does not answer row by row.
    """
    predictions: list[Any] = []
    probabilities: list[Any] | None = []
    for start in range(0, columns.rows, BATCH):
        by_name = {name: values[start : start + BATCH] for name, values in columns.by_name.items()}
        batch = Columns(by_name, min(BATCH, columns.rows - start))
        try:
            answer = predictor.predict(schema.to_input(batch))
        except Exception as error:
            raise CaptureError(
                "MODEL_FAILED",
                f"the model fails on rows {start} to {start + batch.rows - 1} of its reference",
                why=f"{type(error).__name__} (its text may hold a value of a guarded column)"
                if guarded
                else f"{type(error).__name__}: {error}",
                fix="name reference rows that model.predict() takes",
            ) from error
        if answer.labels.ndim == 0 or len(answer.labels) != batch.rows:
            raise CaptureError(
                "MODEL_FAILED",
                f"the model gives other than one answer per row: {answer.labels.shape} for {batch.rows} rows",
                fix="serve models that answer row by row",
            )
        predictions += as_json(answer.labels)
        if answer.probabilities is None:
            probabilities = None
        elif probabilities is not None:
            probabilities += as_json(answer.probabilities)
    return Answers(predictions, probabilities)
