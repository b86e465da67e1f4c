"""Answers as one array in numpy's file format, never with a pickle inside: `numpy.load` reads them with its defaults."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from mlsandbox_serving.service.answers import Answers
from mlsandbox_serving.service.codecs.answer_columns import as_text, flattened, kind_of


def predictions(answers: Answers) -> bytes:
    """Predictions: booleans, int64, float64 (null is NaN) or texts (null is empty), of the shape (rows,) or (rows, values, …)."""
    return _saved(answers.predictions)


def probabilities(answers: Answers) -> bytes:
    """Probabilities, float64 of the shape (rows, classes); of a model that has none (rows, 0)."""
    if answers.probabilities is None:
        return _saved([[] for _ in answers.predictions])
    return _saved(answers.probabilities)


def _saved(values: list[Any]) -> bytes:
    leaves, shape = flattened(values)
    kind = kind_of(leaves)
    if kind == "text":
        array = np.array(["" if leaf is None else as_text(leaf) for leaf in leaves], dtype=np.str_)
    elif kind == "number" or None in leaves:
        array = np.array([math.nan if leaf is None else leaf for leaf in leaves], dtype=np.float64)
    else:
        array = np.array(leaves, dtype=np.bool_ if kind == "boolean" else np.int64)
    file = io.BytesIO()
    np.save(file, array.reshape(shape), allow_pickle=False)
    return file.getvalue()
