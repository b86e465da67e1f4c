"""XGBoost's own files (.ubj, .json): a Booster, or the scikit-learn wrapper that wrote it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.models.base import ModelSpec, Prediction, Predictor, as_labels
from mlsandbox_serving.models.estimator import EstimatorPredictor

_WRAPPERS: Final = frozenset({"XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"})
_BY_ESTIMATOR: Final = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}


class BoosterPredictor:
    """A bare Booster: it answers what its objective computes (a probability, a score, a matrix), as `Booster.predict` does."""

    classes: tuple[Any, ...] | None = None

    def __init__(self, model: Any) -> None:
        self.model = model
        self._matrix = import_module("xgboost").DMatrix

    def predict(self, model_input: Any) -> Prediction:
        """One DMatrix per batch, with the model's own column names."""
        names = None if hasattr(model_input, "columns") else self.model.feature_names
        return Prediction(as_labels(self.model.predict(self._matrix(model_input, feature_names=names, enable_categorical=True))))


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Load with the class that capture saw, else with the one that the file itself names."""
    library = import_module("xgboost")
    name = spec.class_name.rpartition(".")[2]
    if not name:
        booster = library.Booster(model_file=str(file))
        name = _wrapper_named_in(booster.attr("scikit_learn"))
    if name not in _WRAPPERS:
        return BoosterPredictor(library.Booster(model_file=str(file)))
    model = getattr(library, name)(enable_categorical=True)
    model.load_model(str(file))
    return EstimatorPredictor(model)


def _wrapper_named_in(attribute: str | None) -> str:
    try:
        return _BY_ESTIMATOR.get(json.loads(attribute or "{}").get("_estimator_type", ""), "Booster")
    except (ValueError, AttributeError):
        return "Booster"
