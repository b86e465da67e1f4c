"""`python -m mlsandbox_serving.capture`: a model file, in its own environment, becomes one JSON document or one JSON error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

RNG = np.random.RandomState(0)
FRAME = pd.DataFrame({"a": RNG.rand(80), "b": RNG.rand(80)})
LABELS = (FRAME["a"] > 0.5).map({True: "yes", False: "no"}).rename("churned")
MODEL = LogisticRegression().fit(FRAME, LABELS)
COLUMNS = ["a", "b"]

PREDICTOR = """
import os
from rules import LIMIT

print("imported")

class Predictor:
    def predict(self, frame):
        print("hello")
        os.write(1, b"raw")
        return (frame["a"] > LIMIT).astype(float)
"""

pytestmark = pytest.mark.filterwarnings("ignore")


def run(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The command's answer; standard output must be JSON and nothing else."""
    argv = [sys.executable, "-W", "ignore", "-m", "mlsandbox_serving.capture", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """Training inputs and labels as a CSV file."""
    path = tmp_path / "train.csv"
    FRAME.assign(churned=LABELS).to_csv(path, index=False)
    return path


def names(answer: dict[str, Any]) -> list[str]:
    """The schema's column names."""
    return [column["name"] for column in answer["schema"]["columns"]]


def test_a_pickled_estimator(tmp_path: Path, reference: Path) -> None:
    """Schema, golden rows, versions and the class must come from file and data."""
    joblib.dump(MODEL, tmp_path / "model.joblib")

    answer = run("--kind", "sklearn", "--model", tmp_path, "--entry", "model.joblib", "--reference", reference, "--target", "churned")

    assert names(answer) == COLUMNS
    assert answer["schema"]["output"] == {"type": "class", "classes": ["no", "yes"], "probabilities": True}
    assert answer["load"]["class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert len(answer["golden"]["predictions"]) >= 50
    assert answer["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "scikit-learn" in answer["libraries"]
    assert answer["target"] == "churned"


def test_without_reference_data(tmp_path: Path) -> None:
    """The model's own names must do when there are no data."""
    joblib.dump(MODEL, tmp_path / "model.joblib")

    answer = run("--kind", "sklearn", "--model", tmp_path / "model.joblib")

    assert names(answer) == COLUMNS
    assert answer["golden"] is None


def test_prints_of_the_model_do_not_mix_with_the_answer(tmp_path: Path, reference: Path) -> None:
    """A Predictor that prints, through Python and below it, must leave standard output to the answer."""
    (tmp_path / "rules.py").write_text("LIMIT = 0.5\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predict.py").write_text(PREDICTOR)

    answer = run(
        *("--kind", "python", "--model", tmp_path / "model", "--entry", "predict.py:Predictor", "--code", tmp_path / "rules.py"),
        *("--reference", reference, "--target", "churned"),
    )

    assert answer["load"]["entry"] == "predict.py:Predictor"
    assert set(answer["golden"]["predictions"]) == {0.0, 1.0}


def test_an_onnx_file(tmp_path: Path, reference: Path) -> None:
    """Labels and probabilities of an ONNX classifier must be captured, with a tolerance for single precision."""
    onnx = to_onnx(MODEL, FRAME.to_numpy(dtype="float32")[:1])
    (tmp_path / "model.onnx").write_bytes(onnx.SerializeToString())

    answer = run("--kind", "onnx", "--model", tmp_path / "model.onnx", "--reference", reference, "--target", "churned")
    alone = run("--kind", "onnx", "--model", tmp_path / "model.onnx")

    assert answer["schema"]["output"] == {"type": "class", "classes": ["no", "yes"], "probabilities": True}
    assert answer["golden"]["tolerance"] == {"rtol": 1e-5, "atol": 1e-7}
    assert (alone["schema"]["input"], alone["schema"]["array_dtype"], names(alone)) == ("array", "float32", ["x0", "x1"])


def test_an_mlflow_folder(tmp_path: Path, reference: Path) -> None:
    """An MLflow model must be captured with data, and from its signature and input example without."""
    folder = tmp_path / "model"
    mlflow.sklearn.save_model(
        MODEL,
        folder,
        signature=infer_signature(FRAME, LABELS),
        input_example=FRAME.head(2),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )

    answer = run("--kind", "mlflow", "--model", folder, "--reference", reference, "--target", "churned")
    alone = run("--kind", "mlflow", "--model", folder)

    assert names(answer) == names(alone) == COLUMNS
    assert set(answer["golden"]["predictions"]) == {"no", "yes"}
    assert alone["example"] == FRAME.iloc[0].to_dict()


@pytest.mark.torch
def test_a_torchscript_file(tmp_path: Path, reference: Path) -> None:
    """A TorchScript module must be captured with data, and asks for them without."""
    torch: Any = pytest.importorskip("torch", reason="the torch group is not installed")

    torch.jit.script(torch.nn.Linear(2, 1)).save(tmp_path / "model.pt")

    answer = run("--kind", "torchscript", "--model", tmp_path / "model.pt", "--reference", reference, "--target", "churned")
    problem = run("--kind", "torchscript", "--model", tmp_path / "model.pt", code=1)

    assert answer["schema"]["output"]["type"] == "number"
    assert problem["error"]["code"] == "REFERENCE_NEEDED"


def test_problems_are_json(tmp_path: Path, reference: Path) -> None:
    """What fails must be an error object with code, message, why and fix, and exit code 1."""
    joblib.dump(MODEL, tmp_path / "model.joblib")
    (tmp_path / "bad.joblib").write_bytes(b"no model")
    (tmp_path / "needs.py").write_text("import a_module_that_is_not_there")
    (tmp_path / "odd.pkl").write_bytes(b"\x80\x04]\x94.")
    model = ("--kind", "sklearn", "--model")

    problems = {
        "LOAD_FAILED": run(*model, tmp_path / "bad.joblib", code=1),
        "MODEL_UNSUPPORTED": run(*model, tmp_path / "odd.pkl", code=1),
        "MODULE_MISSING": run("--kind", "python", "--model", tmp_path / "needs.py", "--entry", "needs.py:A", code=1),
        "TARGET_MISSING": run(*model, tmp_path / "model.joblib", "--reference", reference, "--target", "none", code=1),
        "COLUMN_NAMES": run(*model, tmp_path / "model.joblib", "--reference", reference, code=1),
        "FILE_MISSING": run(*model, tmp_path / "model.joblib", "--reference", tmp_path / "none.csv", code=1),
    }

    for code, answer in problems.items():
        assert answer["error"]["code"] == code
        assert set(answer["error"]) == {"code", "message", "why", "fix"}
        assert answer["error"]["fix"]
