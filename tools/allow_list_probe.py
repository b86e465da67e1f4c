"""Print, as JSON, the globals that fitted models of the installed frameworks reference when pickled.

Run by tools/allow_lists.py inside a temporary environment per framework version; needs nothing but that framework.
Answer on stdout: {"versions": {…}, "globals": [["module", "qualname"], …], "failed": ["Estimator: reason", …]}.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
import json
import pickle
import pkgutil
import sys
import warnings
from importlib import metadata
from typing import Any

Found = set[tuple[str, str]]
SKIPPED = {"tests", "externals", "conftest", "_testing", "_mocking", "estimator_checks", "_build_utils"}
FRAMEWORKS = ("scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "catboost", "numpy", "scipy", "pandas", "joblib")


class _Recorder(pickle._Unpickler):  # noqa: SLF001  # the pure-Python one calls find_class for every global
    def __init__(self, data: bytes, found: Found) -> None:
        super().__init__(io.BytesIO(data))
        self.found = found

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        self.found.add((module, name))
        return found


def record(model: object, found: Found) -> None:
    """Add every global that `model` needs at unpickling, in an old, the usual and the newest protocol."""
    for protocol in (2, 4, 5):
        _Recorder(pickle.dumps(model, protocol=protocol), found).load()


def scikit_learn(found: Found, failed: list[str]) -> None:
    """Estimators, kernels, splitters, scorers, losses and distances by scanning; inner helpers by pickling fitted estimators."""
    import sklearn_cases  # noqa: PLC0415 - only where the library is installed

    for module in _modules("sklearn"):
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__ and issubclass(value, sklearn_cases.bases()):
                found.add((value.__module__, value.__qualname__))
    found.update((function.__module__, function.__qualname__) for function in sklearn_cases.functions())
    _record_all(sklearn_cases.fitted(failed), found, failed)


def boosters(found: Found, failed: list[str]) -> None:
    """The estimators of xgboost, lightgbm and catboost that are installed, and their native models."""
    import booster_cases  # noqa: PLC0415

    found.update(booster_cases.classes())
    _record_all(booster_cases.fitted(failed), found, failed)


def _record_all(cases: Any, found: Found, failed: list[str]) -> None:
    for name, model in cases:
        try:
            record(model, found)
        except Exception as error:  # noqa: BLE001  # a case that cannot be pickled is reported, not fatal
            failed.append(f"{name}: not picklable: {error!r:.200}")


def _modules(package: str) -> Any:
    root = importlib.import_module(package)
    yield root
    for info in pkgutil.walk_packages(root.__path__, package + "."):
        if any(
            part in {"tests", "externals", "conftest", "_testing", "_mocking", "estimator_checks", "_build_utils"}
            for part in info.name.split(".")
        ):
            continue
        try:
            yield importlib.import_module(info.name)
        except Exception:  # noqa: BLE001, S112  # optional parts that do not import here have no classes to list
            continue


def main() -> None:
    """Collect and print; warnings of the frameworks are of no interest here."""
    warnings.simplefilter("ignore")
    answer, sys.stdout = sys.stdout, sys.stderr
    found: Found = set()
    failed: list[str] = []
    if importlib.util.find_spec("xgboost") or importlib.util.find_spec("lightgbm") or importlib.util.find_spec("catboost"):
        boosters(found, failed)
    else:
        scikit_learn(found, failed)
    versions = {}
    for name in FRAMEWORKS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    json.dump({"versions": versions, "globals": sorted(found), "failed": failed}, answer)


if __name__ == "__main__":
    main()
