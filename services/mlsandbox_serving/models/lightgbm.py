"""LightGBM's own text files: a Booster, which answers what its objective computes, as `Booster.predict` does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from mlsandbox_serving.models.base import ModelSpec, Prediction, Predictor, as_labels


class BoosterPredictor:
    """A Booster; frames with categories work, the file remembers them."""

    classes: tuple[Any, ...] | None = None

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, model_input: Any) -> Prediction:
        """One call per batch."""
        return Prediction(as_labels(self.model.predict(model_input)))


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Load a text file."""
    del spec
    return BoosterPredictor(import_module("lightgbm").Booster(model_file=str(file)))
