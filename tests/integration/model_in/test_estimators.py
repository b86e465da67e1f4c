"""Fitted estimators of scikit-learn and the boosters: what the scan finds holds all that unpickling looks up, and the lists allow it."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from joblib.numpy_pickle import NumpyUnpickler
from sklearn import ensemble, gaussian_process, linear_model, model_selection, neighbors, pipeline, preprocessing, svm
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.neural_network import MLPClassifier

from mlsandbox.packaging.bytestream import ByteStream
from mlsandbox.packaging.inspect import inspect_model
from mlsandbox.packaging.opcodes import scan_pickle
from mlsandbox.packaging.pickle_machine import import_name
from mlsandbox_serving.contract import ModelKind

pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.RandomState(0).rand(60, 4)
Y = np.arange(60) % 3
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": pd.Series(list("xyz") * 20, dtype="category")})
PREPARE = ColumnTransformer([("numbers", preprocessing.StandardScaler(), ["a", "b"]), ("texts", preprocessing.OneHotEncoder(), ["c"])])
MODELS: dict[str, tuple[Any, Any]] = {
    "logistic": (linear_model.LogisticRegression(), X),
    "sgd": (linear_model.SGDClassifier(), X),
    "forest": (ensemble.RandomForestClassifier(5, random_state=np.random.RandomState(0)), X),
    "gradient": (ensemble.GradientBoostingClassifier(n_estimators=3), X),
    "histogram": (ensemble.HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype"), FRAME),
    "isolation": (ensemble.IsolationForest(n_estimators=5), X),
    "neighbours": (neighbors.KNeighborsClassifier(algorithm="kd_tree"), X),
    "svm": (svm.SVC(probability=False), X),
    "process": (gaussian_process.GaussianProcessClassifier(), X),
    "network": (MLPClassifier(max_iter=5), X),
    "pipeline": (pipeline.make_pipeline(PREPARE, ensemble.ExtraTreesClassifier(3)), FRAME),
    "texts": (pipeline.make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression()), [f"word{i % 7} other" for i in range(60)]),
    "search": (
        model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1, 2]}, scoring=["accuracy", "f1_macro"], refit="accuracy"),
        X,
    ),
    "stack": (ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", neighbors.KNeighborsClassifier())]), X),
    "select": (pipeline.make_pipeline(preprocessing.FunctionTransformer(np.log1p), SelectKBest(f_classif, k=2), linear_model.Ridge()), X),
    "target": (TransformedTargetRegressor(linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1), X),
    "xgboost": (xgboost.XGBClassifier(n_estimators=3), X),
    "lightgbm": (lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, min_child_samples=2), X),
    "catboost": (catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False), X),
}


class Names(pickle._Unpickler):
    """What the standard library's unpickler looks up."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.found: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.found.add((module, name))
        return super().find_class(module, name)


class JoblibNames(NumpyUnpickler):  # type: ignore[misc] # joblib has no types
    """What joblib's unpickler looks up."""

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(str(path), file, ensure_native_byte_order=False)
        self.found: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.found.add((module, name))
        return super().find_class(module, name)


@pytest.fixture(scope="module", params=MODELS)
def fitted(request: pytest.FixtureRequest) -> BaseEstimator:
    """One fitted model."""
    model, data = MODELS[request.param]
    model.fit(data, Y)
    found: BaseEstimator = model
    return found


def test_every_protocol(fitted: BaseEstimator) -> None:
    """For each protocol of a plain pickle, no name may be overlooked."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(fitted, protocol=protocol)
        real = Names(data)
        real.load()

        found = scan_pickle(ByteStream.of_bytes(data))

        assert {import_name(pair, protocol) for pair in real.found} <= set(found.globals)
        assert not found.suspicious


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 1), ("bz2", 1), ("lzma", 1), ("xz", 1)])
def test_every_compression(fitted: BaseEstimator, compress: Any, tmp_path: Path) -> None:
    """In a joblib file of each compression, no name may be overlooked, and all must be allowed."""
    path = tmp_path / "model.joblib"
    joblib.dump(fitted, path, compress=compress)
    plain = tmp_path / "plain.joblib"
    joblib.dump(fitted, plain)
    with plain.open("rb") as file:
        real = JoblibNames(plain, file)
        real.load()

    info = inspect_model(path)

    assert info.kind is ModelKind.SKLEARN
    found = {".".join(pair) for pair in real.found}
    assert {f"sklearn._loss.{name}" if name.startswith("_loss.") else name for name in found} <= set(info.globals)
    assert not [name for name in info.globals if name.startswith("_loss.")]
    assert info.unknown == ()


def test_native_files_of_the_boosters(tmp_path: Path) -> None:
    """Each booster's own file must be known by its content, whatever its name."""
    booster = xgboost.XGBClassifier(n_estimators=2).fit(X, Y).get_booster()
    booster.save_model(tmp_path / "a.ubj")
    booster.save_model(tmp_path / "a.json")
    lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y).booster_.save_model(tmp_path / "a.txt")
    MODELS["catboost"][0].fit(X, Y).save_model(str(tmp_path / "a.cbm"))

    kinds = {path.name: inspect_model(path).kind for path in tmp_path.iterdir()}

    assert kinds == {"a.ubj": ModelKind.XGBOOST, "a.json": ModelKind.XGBOOST, "a.txt": ModelKind.LIGHTGBM, "a.cbm": ModelKind.CATBOOST}
    assert inspect_model(tmp_path / "a.json").versions == {"xgboost": xgboost.__version__}
