"""Bare BentoML, as its documentation writes a service: one API, a numpy array or a DataFrame, one worker."""

import os
from pathlib import Path

import bentoml
import joblib
import numpy as np
import pandas as pd

MODEL = Path(os.environ["BENCH_MODEL"])


@bentoml.service
class Numbers:
    def __init__(self) -> None:
        self.model = joblib.load(MODEL)

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: np.ndarray) -> np.ndarray:
        labels: np.ndarray = self.model.predict(rows)
        return labels


@bentoml.service
class People:
    def __init__(self) -> None:
        self.model = joblib.load(MODEL)

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        labels: np.ndarray = self.model.predict(rows)
        return labels
