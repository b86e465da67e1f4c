"""Objects with predict answer, once they are loaded from a file, what they answered before; the other kinds: tests/integration/serving."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import ModelSpec, ModelUnsupported, Predictor, answering, load, wrap
from mlsandbox_serving.schema import Column, Output, Schema
from support.toy_data import BINARY, NUMBER, TEXT, THREE, X, assert_same, loaded

ESTIMATORS: dict[str, Any] = {
    "classifier": LogisticRegression().fit(X, TEXT),
    "regressor": LinearRegression().fit(X, NUMBER),
    "pipeline": make_pipeline(StandardScaler(), "passthrough", LogisticRegression()).fit(X, THREE),
    "pipeline with a forest": make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)).fit(X, TEXT),
    "without probabilities": SVC().fit(X, BINARY),
    "several numbers": MultiOutputRegressor(LinearRegression()).fit(X, np.stack([NUMBER, -NUMBER], axis=1)),
    "several classes": MultiOutputClassifier(LogisticRegression()).fit(X, np.stack([BINARY, THREE], axis=1)),
    "forest of several classes": RandomForestClassifier(5, random_state=0).fit(X, np.stack([BINARY, THREE], axis=1)),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_labels_are_what_predict_says(name: str) -> None:
    """Labels are those of the model's own predict, probabilities those of predict_proba, however they are computed."""
    model = ESTIMATORS[name]

    predictor, kind, class_name = wrap(model)
    answer = predictor.predict(X)

    assert (kind, class_name) == (ModelKind.SKLEARN, f"{type(model).__module__}.{type(model).__name__}")
    np.testing.assert_array_equal(answer.labels, model.predict(X))
    if answer.probabilities is not None:
        np.testing.assert_array_equal(answer.probabilities, model.predict_proba(X))
    assert (answer.probabilities is None) == (
        name in {"regressor", "without probabilities"} or name.startswith("several") or "of several" in name
    )


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("way", ["joblib", "compressed joblib", "pickle", "cloudpickle"])
def test_pickles_of_all_sorts_load(tmp_path: Path, name: str, way: str) -> None:
    """An estimator that was pickled in any usual way answers as before."""
    model, file = ESTIMATORS[name], tmp_path / "model.bin"
    if way == "pickle":
        file.write_bytes(pickle.dumps(model))
    elif way == "cloudpickle":
        file.write_bytes(cloudpickle.dumps(model))
    else:
        joblib.dump(model, file, compress=3 if way.startswith("compressed") else 0)

    assert_same(loaded(ModelKind.SKLEARN, file).predict(X), wrap(model)[0].predict(X))


def test_a_forest_is_not_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forest's labels are taken from its probabilities, since that is what its predict does."""
    model = ESTIMATORS["pipeline with a forest"]
    predictor = wrap(model)[0]
    monkeypatch.setattr(model.steps[-1][1], "predict", lambda _: pytest.fail("predict was called"))

    assert predictor.predict(X).probabilities is not None


class Custom(Pipeline):  # type: ignore[misc]  # scikit-learn has no types
    """A pipeline that does more than scikit-learn's."""

    def predict(self, X: Any, **params: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return np.char.upper(super().predict(X, **params))


def test_a_pipeline_of_the_users_own_keeps_its_own_predict() -> None:
    """Only scikit-learn's own Pipeline is taken apart: a subclass may do anything in predict."""
    model = Custom([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(X, TEXT)

    assert set(wrap(model)[0].predict(X).labels) == {"YES", "NO"}


@pytest.mark.parametrize("labels", [BINARY, TEXT, THREE])
def test_classes_are_plain_values(labels: Any) -> None:
    """The classes of a classifier are plain values in the order of its probabilities."""
    classes = wrap(LogisticRegression().fit(X, labels))[0].classes

    assert classes == tuple(sorted(set(labels.tolist())))
    assert classes is not None
    assert {type(one) for one in classes} <= {int, str}


def test_a_model_whose_probabilities_are_not_implemented_still_answers() -> None:
    """A predict_proba that only raises NotImplementedError is as none."""

    class Half:
        def predict(self, data: Any) -> Any:
            return [1] * len(data)

        def predict_proba(self, data: Any) -> Any:
            raise NotImplementedError

    predictor = wrap(Half())[0]

    assert predictor.predict(X).probabilities is None
    assert predictor.predict(X).labels.tolist() == [1] * len(X)


@pytest.mark.parametrize("thing", [StandardScaler().fit(X), object(), 3, {"a": 1}, None])
def test_what_cannot_predict_is_refused(thing: object) -> None:
    """An object without predict is refused with what could be served."""
    with pytest.raises(ModelUnsupported, match="no predict"):
        wrap(thing)


PREDICT = """
from pathlib import Path
import weights_of_the_test

class Predictor:
    classes_ = ["low", "high"]

    def __init__(self):
        self.limit = float((Path(__file__).parent / "limit.txt").read_text())

    def predict(self, frame):
        return ["high" if value > self.limit else "low" for value in frame[weights_of_the_test.COLUMN]]

    def predict_proba(self, frame):
        return [[0.25, 0.75] for _ in range(len(frame))]
"""


def test_plain_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class in a file answers as a model, with the files and modules beside it."""
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "predict.py").write_text(PREDICT)
    (tmp_path / "weights_of_the_test.py").write_text("COLUMN = 'a'\n")
    (tmp_path / "limit.txt").write_text("0.5")

    predictor = load(ModelKind.PYTHON, tmp_path, spec=ModelSpec(ModelKind.PYTHON, "predict.py:Predictor"))
    answer = predictor.predict(X)

    assert answer.labels.tolist() == ["high" if value > 0.5 else "low" for value in X["a"]]
    assert answer.probabilities is not None
    assert answer.probabilities.shape == (len(X), 2)
    assert predictor.classes == ("low", "high")
    with pytest.raises(ModelUnsupported, match="no class Other"):
        load(ModelKind.PYTHON, tmp_path, spec=ModelSpec(ModelKind.PYTHON, "predict.py:Other"))


def test_a_spec_survives_json() -> None:
    """What capture writes about loading is read back equal."""
    spec = ModelSpec(ModelKind.ONNX, "model.onnx", "onnx.ModelProto", ("a", "b"), ("no", "yes"))

    assert ModelSpec.from_json(spec.to_json()) == spec
    assert ModelSpec.from_json({"kind": "python", "entry": "predict.py:Predictor"}).file(Path("/nowhere")) == Path("/nowhere")


def test_a_constant_model_is_a_model() -> None:
    """An estimator that answers the same always is served like any other."""
    model = DummyClassifier().fit(X, TEXT)

    assert set(wrap(model)[0].predict(X).labels.tolist()) == set(model.predict(X).tolist())


def test_without_joblib_a_compressed_file_is_no_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes of bzip2 are an opcode too: where joblib is missing, what was checked decompressed must not be read as it is."""
    joblib.dump(ESTIMATORS["classifier"], tmp_path / "model.bz2", compress=("bz2", 3))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ModelUnsupported, match="compressed"):
        load(ModelKind.SKLEARN, tmp_path / "model.bz2", spec=ModelSpec(ModelKind.SKLEARN))


@pytest.mark.parametrize("told", [True, False])
def test_probabilities_are_answered_where_the_schema_has_them(*, told: bool) -> None:
    """A model whose package answers labels alone must be asked for these alone, whatever its kind, and answer the same labels."""
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    model = LogisticRegression().fit(frame, ["no", "no", "yes", "yes"])
    column = Column("x", "float", "float64")
    schema = Schema(input="frame", columns=(column,), output=Output("class", ("no", "yes"), probabilities=told))
    whole = wrap(model)[0]
    for predictor in (answering(whole, schema), answering(_Other(whole), schema)):
        answer = predictor.predict(frame)
        assert answer.labels.tolist() == model.predict(frame).tolist()
        assert (answer.probabilities is not None) is told


class _Other:
    """A predictor of another kind."""

    def __init__(self, predictor: Predictor) -> None:
        self.model = object()
        self.classes = predictor.classes
        self.predict = predictor.predict
