"""Every kind of model: bring it up, 100 rows equal the model's own, take it down."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support.sandbox import Sandbox, post

DATA = """
import json
import numpy as np
import pandas as pd
rng = np.random.default_rng(7)
frame = pd.DataFrame(rng.normal(size=(600, 4)), columns=["a", "b", "c", "d"])
label = ((frame["a"] + frame["b"] * frame["c"] > 0.2).astype(int) + (frame["d"] > 1).astype(int)).to_numpy()
frame.to_parquet("reference.parquet")
rows = frame.iloc[-100:]
def show(predictions, probabilities=None):
    listed = lambda values: None if values is None else np.asarray(values).tolist()
    print(json.dumps({"rows": rows.to_dict(orient="records"), "predictions": listed(predictions), "probabilities": listed(probabilities)}))
"""


@dataclass(frozen=True)
class Kind:
    """How to train and store one kind: the code ends with show(what the model itself says of `rows`)."""

    name: str
    train: str
    file: str | None
    """What `sandbox up` is given; None when the code saved a project with mlsandbox.save."""


KINDS = (
    Kind(
        "sklearn",
        """
import mlsandbox
from sklearn.ensemble import RandomForestClassifier
model = RandomForestClassifier(20, random_state=0).fit(frame, label)
mlsandbox.save(model, "forest", reference=frame)
show(model.predict(rows), model.predict_proba(rows))
""",
        None,
    ),
    Kind(
        "joblib-file",
        """
import joblib
from sklearn.ensemble import HistGradientBoostingRegressor
model = HistGradientBoostingRegressor(max_iter=20).fit(frame, label)
joblib.dump(model, "model.joblib", compress=3)
show(model.predict(rows))
""",
        "model.joblib",
    ),
    Kind(
        "xgboost",
        """
import xgboost
model = xgboost.XGBClassifier(n_estimators=10).fit(frame, label)
model.save_model("model.ubj")
show(model.predict(rows), model.predict_proba(rows))
""",
        "model.ubj",
    ),
    Kind(
        "xgboost-booster",
        """
import xgboost
model = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(frame, label), 10)
model.save_model("model.json")
show(model.predict(xgboost.DMatrix(rows)))
""",
        "model.json",
    ),
    Kind(
        "lightgbm",
        """
import lightgbm
model = lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(frame, label), 10)
model.save_model("model.txt")
show(model.predict(rows))
""",
        "model.txt",
    ),
    Kind(
        "catboost",
        """
import catboost
model = catboost.CatBoostClassifier(iterations=10, verbose=False, allow_writing_files=False).fit(frame, label)
model.save_model("model.cbm")
show(model.predict(rows).ravel(), model.predict_proba(rows))
""",
        "model.cbm",
    ),
    Kind(
        "onnx",
        """
import onnxruntime
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
model = LogisticRegression().fit(frame.to_numpy(np.float32), label)
with open("model.onnx", "wb") as file:
    file.write(to_onnx(model, frame.to_numpy(np.float32)[:1], options={"zipmap": False}).SerializeToString())
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
answers = session.run(None, {session.get_inputs()[0].name: rows.to_numpy(np.float32)})
show(answers[0], answers[1])
""",
        "model.onnx",
    ),
    Kind(
        "mlflow",
        """
import mlflow
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit(frame, label)
mlflow.sklearn.save_model(model, "flow", serialization_format="cloudpickle", signature=infer_signature(frame, model.predict(frame)))
show(mlflow.pyfunc.load_model("flow").predict(rows))
""",
        "flow",
    ),
    Kind(
        "python",
        """
open("predict.py", "w").write('''
class Predictor:
    def predict(self, frame):
        return (frame["a"] * 2 + frame["b"].abs()).to_numpy()
''')
from predict import Predictor
show(Predictor().predict(rows))
""",
        "predict.py:Predictor",
    ),
    pytest.param(
        Kind(
            "torchscript",
            """
import torch
torch.manual_seed(0)
model = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)))
model.save("model.pt")
with torch.no_grad():
    show(model(torch.tensor(rows.to_numpy(np.float32))).numpy().ravel())  # one output: one number per row
""",
            "model.pt",
        ),
        marks=pytest.mark.torch,
    ),
)


def same(expected: Any, got: Any) -> bool:
    """Labels equal, floats within the tolerance of single precision, lists element by element."""
    if isinstance(expected, list):
        return isinstance(got, list) and len(expected) == len(got) and all(map(same, expected, got))
    if isinstance(expected, float):
        return isinstance(got, int | float) and math.isclose(expected, got, rel_tol=1e-5, abs_tol=1e-7)
    return bool(expected == got)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_a_served_model_must_answer_like_the_model_itself(kind: Kind, make_sandbox: Callable[..., Sandbox]) -> None:
    """A served model must give 100 rows the answers that the model gave where it was trained, and leave nothing after down."""
    sandbox = make_sandbox()
    own = json.loads(sandbox.script("import warnings; warnings.simplefilter('ignore')\n" + DATA + kind.train).splitlines()[-1])

    given = () if kind.file is None else (kind.file, "--reference", "reference.parquet")
    sandbox.run("up", *given).ok()
    status, answer, _ = post(sandbox.url + "/predict", {"rows": own["rows"]})

    assert status == 200, answer
    assert same(own["predictions"], answer["predictions"])
    if own["probabilities"] is not None:
        assert same(own["probabilities"], answer["probabilities"])
    sandbox.down().ok()
