"""Files of the frameworks answer, once they are loaded, what the object answered that was saved.

Not a unit test: importing some of the frameworks opens sockets.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.models import ModelSpec, ModelUnsupported, load, wrap
from support.toy_data import BINARY, NUMBER, TEXT, THREE, X, assert_same, loaded


@pytest.mark.parametrize(("name", "labels"), [("XGBClassifier", BINARY), ("XGBClassifier", THREE), ("XGBRegressor", NUMBER)])
def test_xgboost_files_of_wrappers(tmp_path: Path, name: str, labels: Any) -> None:
    """A file that a wrapper of XGBoost wrote answers as the wrapper, whether capture named the class or the file does."""
    xgboost = import_module("xgboost")
    model = getattr(xgboost, name)(n_estimators=5).fit(X, labels)
    file = tmp_path / "model.ubj"
    model.save_model(file)

    for class_name in ("", f"xgboost.sklearn.{name}"):
        answer = loaded(ModelKind.XGBOOST, file, class_name).predict(X)
        np.testing.assert_array_equal(answer.labels, model.predict(X))
        assert (answer.probabilities is not None) == (name == "XGBClassifier")
    assert wrap(model)[1] is ModelKind.SKLEARN


@pytest.mark.parametrize("suffix", [".ubj", ".json"])
@pytest.mark.parametrize("labels", [BINARY, THREE])
def test_xgboost_boosters(tmp_path: Path, suffix: str, labels: Any) -> None:
    """A Booster answers what Booster.predict does, from a frame and from an array."""
    xgboost = import_module("xgboost")
    parameters = {"objective": "multi:softprob", "num_class": 3} if labels is THREE else {"objective": "binary:logistic"}
    booster = xgboost.train(parameters, xgboost.DMatrix(X, labels), 5)
    file = tmp_path / f"model{suffix}"
    booster.save_model(file)
    predictor, kind, class_name = wrap(booster)

    for answer in (predictor.predict(X), loaded(kind, file, class_name).predict(X), loaded(kind, file).predict(X.to_numpy())):
        np.testing.assert_array_equal(answer.labels, booster.predict(xgboost.DMatrix(X)))
    assert kind is ModelKind.XGBOOST


def test_lightgbm_boosters(tmp_path: Path) -> None:
    """A LightGBM file answers as the Booster, categories of a frame included; the wrapper is saved as a pickle."""
    lightgbm = import_module("lightgbm")
    frame = X.assign(kind=pd.Categorical(np.where(X["c"] > 0, "x", "y")))
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(frame, BINARY)
    file = tmp_path / "model.txt"
    model.booster_.save_model(file)
    predictor, kind, class_name = wrap(model.booster_)

    assert_same(loaded(kind, file, class_name).predict(frame), predictor.predict(frame))
    assert (kind, wrap(model)[1]) == (ModelKind.LIGHTGBM, ModelKind.SKLEARN)


@pytest.mark.parametrize(
    ("name", "labels"),
    [("CatBoostClassifier", BINARY), ("CatBoostClassifier", TEXT), ("CatBoostClassifier", THREE), ("CatBoostRegressor", NUMBER)],
)
def test_catboost_files(tmp_path: Path, name: str, labels: Any) -> None:
    """A CatBoost file answers as the object, with the class that capture named and without."""
    catboost = import_module("catboost")
    model = getattr(catboost, name)(iterations=5, verbose=0, allow_writing_files=False).fit(X, labels)
    file = tmp_path / "model.cbm"
    model.save_model(str(file))
    predictor, kind, class_name = wrap(model)

    assert kind is ModelKind.CATBOOST
    for each in (loaded(kind, file, class_name), loaded(kind, file)):
        assert_same(each.predict(X), predictor.predict(X))
        assert each.classes == predictor.classes
    assert predictor.predict(X).labels.ndim == 1


@pytest.mark.parametrize("options", [{}, {"zipmap": False}], ids=["zipmap", "matrix"])
def test_onnx_classifiers(tmp_path: Path, options: dict[str, Any]) -> None:
    """An ONNX classifier answers labels and probabilities, in both forms in which probabilities come."""
    skl2onnx = import_module("skl2onnx")
    model = LogisticRegression().fit(X, TEXT)
    proto = skl2onnx.to_onnx(model, X.to_numpy(np.float32), options={id(model): options})
    file = tmp_path / "model.onnx"
    file.write_bytes(proto.SerializeToString())
    predictor, kind, _ = wrap(proto)

    answer = loaded(kind, file).predict(X)

    assert_same(answer, predictor.predict(X))
    np.testing.assert_array_equal(answer.labels, model.predict(X))
    assert answer.probabilities is not None
    np.testing.assert_allclose(answer.probabilities, model.predict_proba(X), atol=1e-5)


def test_onnx_regressors_and_arrays(tmp_path: Path) -> None:
    """An ONNX regressor answers one number per row, from an array too."""
    skl2onnx = import_module("skl2onnx")
    model = LinearRegression().fit(X, NUMBER)
    file = tmp_path / "model.onnx"
    file.write_bytes(skl2onnx.to_onnx(model, X.to_numpy(np.float32)).SerializeToString())

    answer = loaded(ModelKind.ONNX, file).predict(X.to_numpy())

    assert (answer.labels.shape, answer.probabilities) == ((len(X),), None)
    np.testing.assert_allclose(answer.labels, NUMBER, rtol=1e-3, atol=1e-4)


def test_onnx_with_one_input_per_column() -> None:
    """A model with one input per column gets each by its name, whatever their order, texts among them."""
    skl2onnx = import_module("skl2onnx")
    frame = X[["a", "b"]].astype("float32")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, BINARY)
    predictor = wrap(skl2onnx.to_onnx(model, frame))[0]

    np.testing.assert_array_equal(predictor.predict(frame[["b", "a"]]).labels, model.predict(frame))
    np.testing.assert_array_equal(predictor.predict({name: frame[name].to_numpy() for name in frame}).labels, model.predict(frame))
    with pytest.raises(ModelUnsupported, match="2 inputs"):
        predictor.predict(frame[["a"]])


def test_onnx_for_a_single_row() -> None:
    """A model that was exported for one row at a time answers several, row by row."""
    onnx = import_module("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)],
        "sum",
        [helper.make_tensor_value_info("x", kind, [1, 4])],
        [helper.make_tensor_value_info("y", kind, [1, 1])],
        [helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    np.testing.assert_allclose(wrap(proto)[0].predict(X).labels, X.sum(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow asks for type hints of its own kind
def test_mlflow_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An MLflow folder answers as its python_function flavour."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    pyfunc = import_module("mlflow.pyfunc")

    class Doubles(pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - MLflow reads hints
            del context, params
            return pd.DataFrame({"answer": model_input["a"] * 2})

    folder = tmp_path / "mlflow"
    pyfunc.save_model(folder, python_model=Doubles(), pip_requirements=["mlflow-skinny"])

    for answer in (
        loaded(ModelKind.MLFLOW, folder).predict(X),
        load(ModelKind.MLFLOW, folder, spec=ModelSpec(ModelKind.MLFLOW)).predict(X),
    ):
        np.testing.assert_array_equal(answer.labels, X["a"] * 2)
    assert wrap(pyfunc.load_model(str(folder)))[1] is ModelKind.MLFLOW


def test_a_folder_that_is_no_mlflow_model_is_refused(tmp_path: Path) -> None:
    """A folder without MLmodel is refused by name."""
    with pytest.raises(ModelUnsupported, match="MLmodel"):
        load(ModelKind.MLFLOW, tmp_path, spec=ModelSpec(ModelKind.MLFLOW))
