"""Events as the predictions and labels that are kept of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from mlsandbox_serving.contract import Dataset, Field
from mlsandbox_serving.record import id_key

Value = str | int | float
"""A class or a number; true and false are 1 and 0."""

CLASS: Final = "class"
NUMBER: Final = "number"
_INT64: Final = range(-(2**63), 2**63)
LONGEST_NAME: Final = 200
"""Characters of the id of a request, and of the name of a model or version; what has a longer one is not kept."""
LONGEST_VALUE: Final = 1_024
"""Characters of a class; a longer one is none."""


class Predictions(NamedTuple):
    """What one request was answered with."""

    event: bytes
    """Stands for the event's id."""
    time: int
    """Epoch nanoseconds."""
    model: str
    version: str
    request: str
    kind: str
    """CLASS or NUMBER."""
    classes: str | None
    """In the order of the scores, as JSON; None when they are not known."""
    values: list[Value | None]
    """None where the model answered no number."""
    scores: list[bytes] | None
    """Per row the probabilities as float64; None without."""


class Label(NamedTuple):
    """What one prediction should have been."""

    event: bytes
    time: int
    sequence: int
    """Place among those of the same time."""
    model: str
    request: str
    row: int
    value: Value


def read_event(time: int, record: Mapping[str, Any]) -> Predictions | Label | None:
    """What is kept of an event; None when nothing is: of errors, of predictions that are not one value per row, of what is malformed.

    Args:
        time: epoch nanoseconds.
        record: the event's fields.
    """
    dataset = record.get(Field.EVENT_DATASET)
    if dataset not in {Dataset.PREDICTION, Dataset.FEEDBACK}:
        return None
    texts = [_text(record.get(name)) for name in (Field.EVENT_ID, Field.MODEL, Field.REQUEST_ID)]
    if not all(texts) or time not in _INT64:
        return None
    event, model, request = (text or "" for text in texts)
    if max(len(model), len(request)) > LONGEST_NAME:
        return None
    key = id_key(event)
    if dataset == Dataset.PREDICTION:
        return _predictions(key, time, model, request, record)
    row, value = record.get(Field.FEEDBACK_ROW), _value(record.get(Field.FEEDBACK_LABEL))
    if value is None or not (isinstance(row, int) and row in _INT64):
        return None
    sequence = record.get(Field.EVENT_SEQUENCE)
    return Label(key, time, sequence if isinstance(sequence, int) and sequence in _INT64 else 0, model, request, row, value)


def _predictions(key: bytes, time: int, model: str, request: str, record: Mapping[str, Any]) -> Predictions | None:
    version, answered, classes = _text(record.get(Field.VERSION)), record.get(Field.PREDICTIONS), record.get(Field.CLASSES)
    if (
        version is None
        or len(version) > LONGEST_NAME
        or not isinstance(answered, list)
        or any(isinstance(value, list | dict) for value in answered)
    ):
        return None
    probabilities = record.get(Field.PROBABILITIES)
    is_class = isinstance(classes, list) or probabilities is not None or any(isinstance(value, str | bool) for value in answered)
    known = [_value(one) for one in classes] if isinstance(classes, list) else []
    return Predictions(
        event=key,
        time=time,
        model=model,
        version=version,
        request=request,
        kind=CLASS if is_class else NUMBER,
        classes=json.dumps(known) if known and None not in known and len(set(known)) == len(known) else None,
        values=[_value(value) for value in answered],
        scores=_scores(probabilities, len(answered)),
    )


def _scores(probabilities: object, rows: int) -> list[bytes] | None:
    try:
        matrix = np.asarray(probabilities, np.float64)
    except (TypeError, ValueError):
        return None
    return [row.tobytes() for row in matrix] if matrix.ndim == 2 and len(matrix) == rows else None


def _text(value: object) -> str | None:
    """Text that can be stored."""
    return value.encode(errors="replace").decode() if isinstance(value, str) and value else None


def _value(value: object) -> Value | None:
    if isinstance(value, str):
        return value.encode(errors="replace").decode() if len(value) <= LONGEST_VALUE else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return int(value) if isinstance(value, int) and value in _INT64 else None
