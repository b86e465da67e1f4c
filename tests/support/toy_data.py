"""A small table, targets to fit models to, and how answers are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import ModelSpec, Prediction, Predictor, load


def inputs(rows: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame(random.normal(size=(rows, 4)), columns=["a", "b", "c", "d"])


X = inputs()
NUMBER = X["a"].to_numpy() * 2 + X["b"].to_numpy()
BINARY = (NUMBER > 0).astype(int)
TEXT = np.where(BINARY, "yes", "no")
THREE = np.digitize(NUMBER, [-1, 1])


def assert_same(one: Prediction, other: Prediction) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    assert (one.probabilities is None) == (other.probabilities is None)
    if one.probabilities is not None and other.probabilities is not None:
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def loaded(kind: ModelKind, file: Path, class_name: str = "", **more: Any) -> Predictor:
    """From the model's folder, as it is served."""
    return load(kind, file.parent, spec=ModelSpec(kind, file.name, class_name, **more))
