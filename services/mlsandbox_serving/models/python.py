"""Plain Python: `predict.py:Predictor`, a class with `predict(frame)` and, if it likes, `predict_proba` and `classes_`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from mlsandbox_serving.models.base import ModelSpec, ModelUnsupported, Predictor
from mlsandbox_serving.models.estimator import EstimatorPredictor


def load(file: Path, spec: ModelSpec) -> Predictor:
    """Import the file, with its folder importable, and make the class without arguments.

    Raises:
        ModelUnsupported: the file has no such class, or the class no `predict`.
    """
    name = spec.entry.partition(":")[2] or "Predictor"
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module_name = f"served_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(module_name, file)
    if module_spec is None or module_spec.loader is None:
        raise ModelUnsupported(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    module_spec.loader.exec_module(module)
    made = getattr(module, name, None)
    if not callable(made):
        raise ModelUnsupported(f"{file.name} has no class {name}")
    return EstimatorPredictor(made())
