"""Fitted models of whichever of xgboost, lightgbm and catboost is installed; for tools/allow_list_probe.py."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

X = np.random.RandomState(0).rand(60, 4)
Y = np.arange(60) % 2
MANY = np.arange(60) % 3
CLASSES = {
    "xgboost": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker"),
    "lightgbm": ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker", "CatBoost"),
}
SMALL: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 3},
    "lightgbm": {"n_estimators": 3, "verbose": -1, "min_child_samples": 2},
    "catboost": {"iterations": 3, "verbose": False, "allow_writing_files": False},
}


OTHER_CLASSES = {
    "xgboost.sklearn": ("XGBModel",),
    "xgboost.callback": ("EarlyStopping", "EvaluationMonitor"),
    "lightgbm.sklearn": ("LGBMModel",),
}


def classes() -> Iterator[tuple[str, str]]:
    """Classes that users may hand to a booster, or subclass, beyond those that are fitted here."""
    for path, names in OTHER_CLASSES.items():
        try:
            module = importlib.import_module(path)
        except ImportError:
            continue
        yield from ((path, name) for name in names if hasattr(module, name))


def fitted(failed: list[str]) -> Iterator[tuple[str, Any]]:
    """Every estimator class of each installed booster, for two and three classes and for numbers; then its native model."""
    for package, names in CLASSES.items():
        try:
            module = importlib.import_module(package)
        except ImportError:
            continue
        for name in names:
            for target in (Y, MANY, X[:, 0]):
                try:
                    model = _fit(package, getattr(module, name), target)
                except Exception as error:  # noqa: BLE001  # a classifier refuses numbers
                    failed.append(f"{name}: {error!r:.120}")
                    continue
                yield name, model
                yield from _native(package, name, model)


def _fit(package: str, cls: Any, target: Any) -> Any:
    if "Ranker" in cls.__name__:
        groups = {"group_id": np.repeat(np.arange(6), 10)} if package == "catboost" else {"group": [10] * 6}
        return cls(**SMALL[package]).fit(X, Y, **groups)
    if cls.__name__ == "CatBoost":
        return cls(SMALL[package]).fit(X, target)
    return cls(**SMALL[package]).fit(X, target, eval_set=[(X, target)])


def _native(package: str, name: str, model: Any) -> Iterator[tuple[str, Any]]:
    if package == "xgboost":
        yield f"{name} booster", model.get_booster()
    if package == "lightgbm":
        yield f"{name} booster", model.booster_
