"""Pickled objects with `predict`: scikit-learn, the scikit-learn wrappers of the boosters, and the user's own classes."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mlsandbox_serving.models import label_rules
from mlsandbox_serving.models.base import ModelSpec, ModelUnsupported, Prediction, Predictor, as_classes, as_labels, as_probabilities


class EstimatorPredictor:
    """`predict` and, where there is one, `predict_proba` of one object; what both of a pipeline need is computed once."""

    def __init__(self, model: Any, *, probabilities: bool = True) -> None:
        if not callable(getattr(model, "predict", None)):
            raise ModelUnsupported(f"{type(model).__module__}.{type(model).__qualname__} has no predict()")
        self.model = model
        self.classes = as_classes(model)
        self._prepare, self._final = _split(model)
        self.probabilities = probabilities
        """Whether they are wanted."""
        self._has_probabilities = probabilities and callable(getattr(model, "predict_proba", None))
        self._label_rule = label_rules.rule_of(self._final)

    def predict(self, model_input: Any) -> Prediction:
        """Labels are what the model's own `predict` says."""
        if not self._has_probabilities:
            return Prediction(as_labels(self.model.predict(model_input)))
        prepared = self._prepare(model_input)
        try:
            raw = self._final.predict_proba(prepared)
        except NotImplementedError:
            self._has_probabilities = False
            return Prediction(as_labels(self._final.predict(prepared)))
        probabilities = as_probabilities(raw)
        if self._label_rule is not None and probabilities is not None:
            labels = self._label_rule(self._final, probabilities)
            if labels is not None:
                return Prediction(labels, probabilities)
        return Prediction(as_labels(self._final.predict(prepared)), probabilities)


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Unpickle a file: plain, joblib or cloudpickle, compressed or not. Only ever called on files whose digest was checked."""
    del spec
    if importlib.util.find_spec("joblib") is not None:
        return EstimatorPredictor(import_module("joblib").load(file))
    with file.open("rb") as stream:
        if stream.peek(2)[:2] == b"BZ":  # joblib decompresses it, and so did the check; to pickle it is another program
            raise ModelUnsupported(f"{file.name} is compressed, and its environment has no joblib to read it with")
        return EstimatorPredictor(pickle.load(stream))  # noqa: S301 - the package's own model, checked by digest


def _split(model: Any) -> tuple[Callable[[Any], Any], Any]:
    """A pipeline's steps before the last as one function, and the last; only of scikit-learn's own Pipeline, which does just this."""
    kind = type(model)
    if (kind.__module__, kind.__qualname__) != ("sklearn.pipeline", "Pipeline") or len(model.steps) < 2:
        return _unchanged, model
    steps = [step for _, step in model.steps[:-1] if step is not None and step != "passthrough"]
    final = model.steps[-1][1]
    if not callable(getattr(final, "predict", None)):
        return _unchanged, model

    def prepare(data: Any) -> Any:
        for step in steps:
            data = step.transform(data)
        return data

    return prepare, final


def _unchanged(data: Any) -> Any:
    return data
