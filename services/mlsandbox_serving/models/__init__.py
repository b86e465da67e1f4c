"""Load a model file, or wrap a model object, as one `Predictor`: the same code where a model is captured and where it is served.

Each framework is imported only when a model of its kind is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import catboost, estimator, lightgbm, mlflow, onnx, python, torchscript, xgboost
from mlsandbox_serving.models.base import LabelsAlone, ModelSpec, ModelUnsupported, Prediction, Predictor
from mlsandbox_serving.schema import Schema

__all__ = ["ModelSpec", "ModelUnsupported", "Prediction", "Predictor", "answering", "load", "wrap"]


def load(kind: ModelKind, path: Path, *, spec: ModelSpec) -> Predictor:
    """Load a model; runs code of the model's file, so its digest must have been checked before.

    Args:
        kind: which loader.
        path: the model's folder (then `spec.entry` names the file in it), or the file itself.
        spec: what capture saw.

    Raises:
        ModelUnsupported: it is no model of that kind. Errors of the framework pass through.
    """
    return _LOADERS[kind](spec.file(path), spec)


def answering(predictor: Predictor, schema: Schema) -> Predictor:
    """The same model, without probabilities where the schema has none: they are not even computed where that can be done."""
    if schema.output.probabilities:
        return predictor
    if isinstance(predictor, estimator.EstimatorPredictor):
        return estimator.EstimatorPredictor(predictor.model, probabilities=False)
    return LabelsAlone(predictor)


def wrap(model: object) -> tuple[Predictor, ModelKind, str]:
    """A predictor for a model object, the kind as which it is best saved, and the full name of its class.

    Raises:
        ModelUnsupported: the object cannot predict; the text says what can be served.
    """
    class_name = f"{type(model).__module__}.{type(model).__qualname__}"
    for base in type(model).__mro__:
        for package, name, kind, wrapper in _WRAPPERS:
            if base.__qualname__ == name and base.__module__.split(".")[0] == package:
                return wrapper(model), kind, class_name
    if callable(getattr(model, "predict", None)):
        return estimator.EstimatorPredictor(model), ModelKind.SKLEARN, class_name
    if any(base.__module__ == "torch.nn.modules.module" for base in type(model).__mro__):
        raise ModelUnsupported(
            f"{class_name} is a torch module: save what torch.jit.script(model) or torch.jit.trace(model, example) returns"
        )
    raise ModelUnsupported(f"{class_name} has no predict(): a fitted model, or an object of a class with predict(frame), can be served")


_LOADERS: Final[dict[ModelKind, Callable[[Path, ModelSpec], Predictor]]] = {
    ModelKind.SKLEARN: estimator.load,
    ModelKind.XGBOOST: xgboost.load,
    ModelKind.LIGHTGBM: lightgbm.load,
    ModelKind.CATBOOST: catboost.load,
    ModelKind.ONNX: onnx.load,
    ModelKind.TORCHSCRIPT: torchscript.load,
    ModelKind.MLFLOW: mlflow.load,
    ModelKind.PYTHON: python.load,
}

# Package, class (or base class), kind. The boosters' scikit-learn wrappers are not here: pickled, they keep all their parameters.
_WRAPPERS: Final[tuple[tuple[str, str, ModelKind, Callable[[Any], Predictor]], ...]] = (
    ("xgboost", "Booster", ModelKind.XGBOOST, xgboost.BoosterPredictor),
    ("lightgbm", "Booster", ModelKind.LIGHTGBM, lightgbm.BoosterPredictor),
    ("catboost", "CatBoost", ModelKind.CATBOOST, catboost.CatBoostPredictor),
    ("onnx", "ModelProto", ModelKind.ONNX, onnx.wrap),
    ("onnxruntime", "InferenceSession", ModelKind.ONNX, onnx.wrap),
    ("torch", "ScriptModule", ModelKind.TORCHSCRIPT, torchscript.TorchScriptPredictor),
    ("mlflow", "PyFuncModel", ModelKind.MLFLOW, mlflow.PyfuncPredictor),
)
