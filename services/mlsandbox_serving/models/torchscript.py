"""TorchScript files: one float32 tensor in (rows by columns), one tensor out."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mlsandbox_serving.models.base import ModelSpec, Prediction, Predictor, as_labels, matrix


class TorchScriptPredictor:
    """Answers the module's output; with `classes` the class of the highest output.

    Args:
        model: a torch.jit.ScriptModule.
        classes: labels in the order of the output's columns; None for a regression.
    """

    def __init__(self, model: Any, classes: tuple[Any, ...] | None = None) -> None:
        self.model = model.eval()
        self.classes = classes
        self._torch = import_module("torch")

    def predict(self, model_input: Any) -> Prediction:
        """One forward pass per batch, on the CPU, without gradients."""
        with self._torch.inference_mode():
            output = self.model(self._torch.from_numpy(matrix(model_input, np.float32)))
        if isinstance(output, tuple | list):
            output = output[0]
        values = output.numpy()
        if self.classes is None:
            return Prediction(as_labels(values))
        return Prediction(np.asarray(self.classes).take(values.argmax(axis=1)))


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Load onto the CPU."""
    return TorchScriptPredictor(import_module("torch").jit.load(str(file), map_location="cpu"), spec.classes)
