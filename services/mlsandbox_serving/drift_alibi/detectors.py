"""Any other detector of alibi-detect, made by its name and arguments out of sandbox.toml."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np

from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.embedding import Embedding
from mlsandbox_serving.drift_alibi.reference import sample
from mlsandbox_serving.drift_alibi.settings import Detector
from mlsandbox_serving.drift_alibi.verdict import DetectorResult

_OURS: Final = "TabularDrift"
_UNFIT: Final[Mapping[str, str]] = {
    _OURS: "it is always on, without being named",
    "ContextMMDDrift": "it needs a context of each row",
    "LearnedKernelDrift": "it needs a kernel, which is a Python object",
    "ClassifierUncertaintyDrift": "it needs the model that is watched",
    "RegressorUncertaintyDrift": "it needs the model that is watched",
}
_MODELS: Final = "sklearn."
_USUAL: Final = f"{_MODELS}linear_model.LogisticRegression"
_MOST_ONLINE: Final = 1_000
"""Rows of the reference for detectors that simulate how long they stay silent."""
_BATCH: Final = 64
_NEEDED: Final[Mapping[str, str]] = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "keops": "KeOps"}


class DetectorUnusable(ValueError):
    """A detector cannot be made; the text says why, and what to do."""


class NamedDetector:
    """One of them, made for a reference.

    Args:
        library: the module `alibi_detect.cd`.
        settings: name and arguments.
        embedding: of the reference.
        table: rows of the reference.
        p_value: of a false alarm in a window, unless the arguments have another.

    Raises:
        DetectorUnusable: says why, and what to do.
    """

    def __init__(self, library: Any, settings: Detector, embedding: Embedding, table: Floats, p_value: float) -> None:
        self.name: Final = settings.name
        self._online = settings.name.endswith("Online")
        self._read = _reader(settings.name, embedding)
        made = _class(library, settings.name)
        most = min(settings.reference_rows, _MOST_ONLINE) if self._online else settings.reference_rows
        points = self._points(sample(table, most))
        if not points.shape[1]:
            raise DetectorUnusable(f"{self.name} has no column that it could look at: remove it")
        arguments = _arguments(made, settings, p_value)
        self._permutations = int(arguments.get("n_permutations", 0))
        self._threshold = arguments.get("p_val")
        self._detector = _made(made, points, arguments, self.name)

    def compare(self, table: Floats) -> DetectorResult:
        """What it says of a window.

        Raises:
            ArithmeticError: it says that a p-value is no number.
        """
        points = self._points(table)
        return self._online_result(points) if self._online else self._result(points)

    def _points(self, table: Floats) -> Any:
        return self._read(table).astype(np.float32)

    def _result(self, points: Any) -> DetectorResult:
        data = self._detector.predict(points)["data"]
        p_value = _least(data.get("p_val"))
        distance, threshold = _most(data.get("distance")), _least(data.get("threshold"))
        if p_value is None or threshold is None or self._permutations == 0:
            return DetectorResult(self.name, p_value, distance, threshold, bool(data["is_drift"]))
        # Of n permutations none was as large: that happens once in n + 1 times by chance, and not never.
        p_value = (p_value * self._permutations + 1.0) / (self._permutations + 1.0)
        return DetectorResult(self.name, p_value, distance, threshold, p_value <= threshold)

    def _online_result(self, points: Any) -> DetectorResult:
        """The last row's, or that of the row that raised an alarm; it begins anew there, since it would go on alarming."""
        drifted, data = False, {}
        for point in points:
            found = self._detector.predict(point)["data"]
            if found["is_drift"]:
                self._detector.reset_state()
            if found["is_drift"] or not drifted:
                data, drifted = found, bool(found["is_drift"])
        return DetectorResult(self.name, None, _known(data.get("test_stat")), _known(data.get("threshold")), drifted)


def _class(library: Any, name: str) -> Any:
    known = [one for one in library.__all__ if one not in _UNFIT]
    if name in _UNFIT:
        raise DetectorUnusable(f"{name} cannot be set: {_UNFIT[name]}; those that can: {', '.join(known)}")
    if name not in known:
        raise DetectorUnusable(f"alibi-detect has no detector {name}: {', '.join(known)}")
    return getattr(library, name)


def _reader(name: str, embedding: Embedding) -> Any:
    if name.startswith(("KS", "CVM")):
        return embedding.numbers
    if name.startswith("FET"):
        return embedding.bits
    return embedding.codes if name.startswith("ChiSquare") else embedding.points


def _arguments(made: Any, settings: Detector, p_value: float) -> dict[str, Any]:
    """What is set, and what is better than alibi-detect's own where nothing is."""
    parameters = inspect.signature(made).parameters
    given = dict(settings.arguments)
    unknown = sorted(set(given) - set(parameters))
    if unknown:
        raise DetectorUnusable(f"{settings.name} has no argument {unknown[0]}: {', '.join(list(parameters)[1:])}")
    needed = [name for name, one in parameters.items() if one.default is one.empty and name not in {"x_ref", "model", *given}]
    if needed:
        raise DetectorUnusable(f"{settings.name} needs the argument {needed[0]}: write it in its arguments")
    defaults: dict[str, Any] = {"p_val": p_value, "backend": _backend(parameters, given), "verbose": False}
    if settings.name == "CVMDriftOnline":
        defaults["batch_size"] = _BATCH
    if "model" in parameters:
        given["model"] = _model(settings.name, given.get("model", _USUAL))
    arguments = {name: value for name, value in defaults.items() if name in parameters} | given
    if "p_val" in parameters and not 0 < arguments["p_val"] < 1:
        raise DetectorUnusable(f"the p_val of {settings.name} is {arguments['p_val']!r}: a number between 0 and 1")
    if "n_permutations" in parameters:
        least = math.ceil(1.0 / arguments["p_val"])
        arguments.setdefault("n_permutations", least)
        if arguments["n_permutations"] + 1 < least:
            raise DetectorUnusable(
                f"{settings.name} can never be as certain as p_val={arguments['p_val']:.3g} says with "
                f"n_permutations={arguments['n_permutations']}: at least {least}, or another p_val"
            )
    return arguments


def _backend(parameters: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    return "sklearn" if "model" in parameters and str(given.get("model", _MODELS)).startswith(_MODELS) else "pytorch"


def _model(name: str, path: Any) -> Any:
    """A model of scikit-learn by its full name: one of its estimators, which do nothing when they are made."""
    if not isinstance(path, str) or not path.startswith(_MODELS):
        raise DetectorUnusable(f"the model of {name} is {path!r}: name a class of scikit-learn, as {_USUAL}")
    module, _, made = path.rpartition(".")
    try:
        found = getattr(import_module(module), made)
        estimator = import_module("sklearn.base").BaseEstimator
    except Exception as error:
        raise DetectorUnusable(f"the model of {name} cannot be made: {error}") from error
    if not (isinstance(found, type) and issubclass(found, estimator)):
        raise DetectorUnusable(f"the model of {name} is {path}, which is no class of a model: name one, as {_USUAL}")
    try:
        return found()
    except TypeError as error:
        raise DetectorUnusable(f"the model of {name} cannot be made: {error}") from error


def _made(made: Any, points: Any, arguments: Mapping[str, Any], name: str) -> Any:
    try:
        return made(points, **arguments)
    except (ImportError, NotImplementedError) as error:
        backend = str(arguments.get("backend"))
        if backend not in _NEEDED or isinstance(error, NotImplementedError):
            raise DetectorUnusable(f"{name} cannot be made: {error}") from error
        raise DetectorUnusable(
            f"{name} needs {_NEEDED[backend]}, which the environment of the drift service does not have: "
            "it is not available in this version; remove the detector"
        ) from error
    except Exception as error:
        raise DetectorUnusable(f"{name} cannot be made: {type(error).__name__}: {error}") from error


def _least(value: Any) -> float | None:
    found = None if value is None else np.atleast_1d(np.asarray(value, dtype=np.float64))
    if found is None or not found.size:
        return None
    if np.isnan(found).any():
        raise ArithmeticError("its p-value is no number")
    return float(found.min())


def _most(value: Any) -> float | None:
    return None if value is None else _known(np.asarray(value, dtype=np.float64).max())


def _known(value: Any) -> float | None:
    """The largest number of one value or several; None where there is none yet."""
    if value is None:
        return None
    found = np.atleast_1d(np.asarray(value, dtype=np.float64)).ravel()
    found = found[np.isfinite(found)]
    return float(found.max()) if found.size else None
