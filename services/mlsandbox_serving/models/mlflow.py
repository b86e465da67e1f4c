"""MLflow model folders, served as their python_function flavour."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from mlsandbox_serving.models.base import ModelSpec, ModelUnsupported, Prediction, Predictor, as_labels


class PyfuncPredictor:
    """An mlflow.pyfunc.PyFuncModel; that interface has no probabilities."""

    classes: tuple[Any, ...] | None = None

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, model_input: Any) -> Prediction:
        """One call per batch; a frame as answer becomes an array."""
        return Prediction(as_labels(self.model.predict(model_input)))


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Load a folder that holds an `MLmodel` file, without MLflow's telemetry."""
    del spec
    if not (file / "MLmodel").is_file():
        raise ModelUnsupported(f"{file} has no file MLmodel")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return PyfuncPredictor(import_module("mlflow.pyfunc").load_model(str(file)))
