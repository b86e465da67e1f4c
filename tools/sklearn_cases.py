"""Fitted scikit-learn estimators, as many and as varied as small data allows; for tools/allow_list_probe.py."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn import ensemble, feature_selection, linear_model, metrics, model_selection, neighbors, pipeline, preprocessing
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401  # makes estimators importable
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor, kernels
from sklearn.utils import all_estimators

Case = tuple[str, Any]
RNG = np.random.RandomState(0)
X = RNG.rand(60, 4)
Y = np.arange(60) % 3
TEXT = [f"word{i % 7} other{i % 5} third{i % 3}" for i in range(60)]
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": pd.Series(list("xyz") * 20, dtype="category"), "d": list("pqpqrr") * 10})
DATA: tuple[tuple[Any, Any], ...] = (
    (X, Y),
    (X, X[:, 0] * 2 + 1),
    (X, Y == 1),
    (X, np.column_stack([X[:, 0], X[:, 1]])),
    (X, np.column_stack([Y == 0, Y == 1])),
    (X[:, :1], X[:, 0]),
    (TEXT, Y),
    ([{"a": 1.0, "b": "x"}] * 60, Y),
    ([["a", "b"], ["b"], ["c"]] * 20, None),
    (Y, None),
    (X, None),
)


def _optional(path: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(path), name, None)
    except ImportError:
        return None


def bases() -> tuple[type, ...]:
    """The classes whose subclasses a fitted estimator may hold."""
    wanted = (
        (BaseEstimator.__module__, "BaseEstimator"),
        ("sklearn.gaussian_process.kernels", "Kernel"),
        ("sklearn.model_selection._split", "BaseCrossValidator"),
        ("sklearn.model_selection._split", "BaseShuffleSplit"),
        ("sklearn.model_selection._split", "_RepeatedSplits"),
        ("sklearn.metrics._scorer", "_BaseScorer"),
        ("sklearn.metrics._dist_metrics", "DistanceMetric"),
        ("sklearn.metrics._dist_metrics", "DistanceMetric64"),
        ("sklearn.metrics._dist_metrics", "DistanceMetric32"),
        ("sklearn._loss.loss", "BaseLoss"),
        ("sklearn._loss.link", "BaseLink"),
        ("sklearn._loss._loss", "CyLossFunction"),
        ("sklearn.linear_model._sgd_fast", "LossFunction"),
        ("sklearn._loss._loss", "LossFunction"),
        ("sklearn.utils._bunch", "Bunch"),
    )
    return tuple(value for value in (_optional(*each) for each in wanted) if value is not None)


def functions() -> Iterator[Callable[..., Any]]:
    """Numeric functions of scikit-learn that users hand to estimators as parameters."""
    for name in ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression", "mutual_info_classif", "mutual_info_regression"):
        yield getattr(feature_selection, name)
    yield from metrics.pairwise.PAIRWISE_KERNEL_FUNCTIONS.values()
    yield from (function for function in metrics.pairwise.PAIRWISE_DISTANCE_FUNCTIONS.values() if function is not None)
    for name in metrics.get_scorer_names():
        function = getattr(metrics.get_scorer(name), "_score_func", None)
        if function is not None and function.__module__.startswith("sklearn."):
            yield function


def fitted(failed: list[str]) -> Iterator[Case]:
    """Every estimator of scikit-learn with what it needs, then variants that reference other inner classes."""
    for name, cls in all_estimators():
        errors = []
        some = False
        for model in _instances(cls):
            for data, target in DATA:
                try:
                    yield name, model.fit(data, target) if target is not None else model.fit(data)
                    some = True
                except Exception as error:  # noqa: BLE001  # the next data may suit it
                    errors.append(repr(error)[:80])
        if not some:
            failed.append(f"{name}: {errors[-1:]}")
    for name, make in VARIANTS.items():
        try:
            yield name, make()
        except Exception as error:  # noqa: BLE001  # an option that this version does not have
            failed.append(f"{name}: {error!r:.200}")


def _instances(cls: Any) -> Iterator[Any]:
    logistic = linear_model.LogisticRegression()
    several = [("a", logistic), ("b", linear_model.LogisticRegression(C=2))]
    regressors = [("a", linear_model.Ridge()), ("b", linear_model.LinearRegression())]
    options: tuple[dict[str, Any], ...] = (
        {},
        {"estimator": logistic},
        {"estimator": linear_model.Ridge()},
        {"estimators": several},
        {"estimators": regressors},
        {"estimator": logistic, "param_grid": {"C": [1.0, 2.0]}},
        {"estimator": logistic, "param_distributions": {"C": [1.0, 2.0]}, "random_state": 0},
        {"steps": [("scale", preprocessing.StandardScaler()), ("model", logistic)]},
        {"transformers": [("scale", preprocessing.StandardScaler(), [0, 1])]},
        {"transformer_list": [("scale", preprocessing.StandardScaler()), ("power", preprocessing.PowerTransformer())]},
        {"dictionary": X[:3]},
        {"n_neighbors": 3},
        {"base_estimator": logistic},
    )
    for keywords in options:
        try:
            yield cls(**keywords)
        except TypeError:
            continue


def _grid(**keywords: Any) -> Any:
    return model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1.0, 2.0]}, **keywords).fit(X, Y)


def _columns() -> Any:
    columns = ColumnTransformer(
        [
            ("numbers", preprocessing.StandardScaler(), make_column_selector(dtype_include="number")),
            ("letters", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["c", "d"]),
        ],
        remainder="drop",
    ).set_output(transform="default")
    return pipeline.make_pipeline(columns, ensemble.RandomForestClassifier(n_estimators=3)).fit(FRAME, Y)


def _kernel_sum() -> Any:
    return kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel() + kernels.DotProduct() ** 2


def _gradient(cls: Any, loss: str, target: Any, more: dict[str, Any]) -> Any:
    return cls(loss=loss, **more).fit(X, target)


def _neighbours(algorithm: str, metric: str) -> Any:
    return neighbors.KNeighborsClassifier(algorithm=algorithm, metric=metric).fit(X, Y)


HIST, GRADIENT = ensemble.HistGradientBoostingRegressor, ensemble.GradientBoostingRegressor
LOSSES: tuple[tuple[Any, str, Any, dict[str, Any]], ...] = (
    *((HIST, loss, X[:, 0] + 1, {"max_iter": 3}) for loss in ("absolute_error", "gamma", "poisson")),
    (HIST, "quantile", X[:, 0], {"max_iter": 3, "quantile": 0.5}),
    *((GRADIENT, loss, X[:, 0], {"n_estimators": 3}) for loss in ("squared_error", "absolute_error", "huber", "quantile")),
    *((ensemble.GradientBoostingClassifier, loss, Y == 1, {"n_estimators": 3}) for loss in ("log_loss", "exponential")),
    *((linear_model.SGDClassifier, loss, Y, {}) for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron")),
    *((linear_model.SGDClassifier, loss, Y, {}) for loss in ("squared_error", "huber", "epsilon_insensitive")),
)
VARIANTS: dict[str, Callable[[], Any]] = {
    **{f"{case[0].__name__} {case[1]}": partial(_gradient, *case) for case in LOSSES},
    **{
        f"KNeighborsClassifier {algorithm} {metric}": partial(_neighbours, algorithm, metric)
        for algorithm in ("kd_tree", "ball_tree")
        for metric in ("euclidean", "manhattan", "chebyshev", "minkowski")
    },
    "SGDRegressor squared_epsilon_insensitive": lambda: linear_model.SGDRegressor(loss="squared_epsilon_insensitive").fit(X, X[:, 0]),
    "KNeighborsClassifier haversine": lambda: neighbors.KNeighborsClassifier(algorithm="ball_tree", metric="haversine").fit(X[:, :2], Y),
    "KNeighborsClassifier minkowski 3": lambda: neighbors.KNeighborsClassifier(algorithm="ball_tree", p=3).fit(X, Y),
    "KNeighborsClassifier float32": lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree").fit(X.astype("float32"), Y),
    "KernelDensity": lambda: neighbors.KernelDensity(algorithm="ball_tree").fit(X),
    "GaussianProcessRegressor": lambda: GaussianProcessRegressor(_kernel_sum()).fit(X, X[:, 0]),
    "GaussianProcessRegressor Matern": lambda: GaussianProcessRegressor(kernels.Matern() * kernels.RationalQuadratic()).fit(X, X[:, 0]),
    "GaussianProcessClassifier": lambda: GaussianProcessClassifier(kernels.RBF()).fit(X, Y),
    "columns": _columns,
    "frame regressor": lambda: ensemble.HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype").fit(
        FRAME[["a", "b", "c"]], X[:, 0]
    ),
    "set_output pandas": lambda: preprocessing.StandardScaler().set_output(transform="pandas").fit(FRAME[["a", "b"]]),
    "grid": _grid,
    "grid scorers": lambda: _grid(scoring=["accuracy", "neg_log_loss", "f1_macro", "roc_auc_ovr"], refit="accuracy"),
    "grid one scorer": lambda: _grid(scoring="balanced_accuracy"),
    "grid own scorer": lambda: _grid(scoring=metrics.make_scorer(metrics.fbeta_score, beta=2, average="macro")),
    "grid splitter": lambda: _grid(cv=model_selection.StratifiedKFold(3, shuffle=True, random_state=np.random.RandomState(0))),
    "forest random state": lambda: ensemble.ExtraTreesClassifier(3, random_state=np.random.RandomState(3)).fit(X, Y),
    "target": lambda: TransformedTargetRegressor(linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1).fit(X, X[:, 0]),
    "function": lambda: preprocessing.FunctionTransformer(np.log1p).fit(X),
    "select": lambda: feature_selection.SelectKBest(feature_selection.mutual_info_classif, k=2).fit(X, Y),
    "tfidf": lambda: pipeline.make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), linear_model.LogisticRegression()).fit(TEXT, Y),
    "counts": lambda: CountVectorizer(dtype=np.float32, stop_words="english").fit(TEXT),
    "encoder dtype": lambda: preprocessing.OneHotEncoder(dtype=np.int8, sparse_output=False, min_frequency=2).fit(FRAME[["c", "d"]]),
    "ordinal": lambda: preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan).fit(FRAME[["c", "d"]]),
    "labels": lambda: preprocessing.LabelBinarizer(sparse_output=True).fit(Y),
    "spline": lambda: preprocessing.SplineTransformer(extrapolation="periodic").fit(X),
    "isolation": lambda: ensemble.IsolationForest(n_estimators=3).fit(X),
    "sparse lasso": lambda: linear_model.LogisticRegression(solver="saga", penalty="l1").fit(X, Y).sparsify(),
    "glm": lambda: linear_model.TweedieRegressor(power=1.5).fit(X, X[:, 0] + 1),
    "glm auto": lambda: linear_model.TweedieRegressor(power=1.5, link="identity").fit(X, X[:, 0] + 1),
    "monotonic": lambda: ensemble.RandomForestRegressor(3, criterion="poisson").fit(X, X[:, 0]),
}
