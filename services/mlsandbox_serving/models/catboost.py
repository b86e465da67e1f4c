"""CatBoost's own files (.cbm): classifier, regressor, ranker or the bare CatBoost."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.models.base import ModelSpec, Prediction, Predictor, as_classes, as_labels, as_probabilities

_CLASSES: Final = frozenset({"CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"})


class CatBoostPredictor:
    """Labels from `predict`, probabilities where the object is a classifier."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._is_classifier = hasattr(model, "predict_proba")
        self.classes = as_classes(model) if self._is_classifier else None

    def predict(self, model_input: Any) -> Prediction:
        """One call for labels, one for probabilities."""
        labels = as_labels(self.model.predict(model_input))
        return Prediction(labels, as_probabilities(self.model.predict_proba(model_input)) if self._is_classifier else None)


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Load with the class that capture saw, else as a classifier exactly when the file holds class labels."""
    library = import_module("catboost")
    name = spec.class_name.rpartition(".")[2]
    if name not in _CLASSES:
        probe = library.CatBoost()
        probe.load_model(str(file))
        name = "CatBoostClassifier" if len(probe.classes_) else "CatBoost"
    model = getattr(library, name)()
    model.load_model(str(file))
    return CatBoostPredictor(model)
