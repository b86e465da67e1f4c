"""The endpoint is the same model, or it is not ready."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from mlsandbox.packaging.pip_settings import uv_settings
from support.sandbox import Sandbox, get

OLD, NEW = "1.5.2", "1.9.1"
"""One-against-rest logistic regression answers with other probabilities since scikit-learn 1.8."""

TRAIN_OVR = """
import warnings; warnings.simplefilter("ignore")
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
import mlsandbox
frame, label = load_iris(return_X_y=True, as_frame=True)
frame.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
mlsandbox.save(LogisticRegression(multi_class="ovr", max_iter=500).fit(frame, label), "iris", reference=frame, target=label)
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with scikit-learn OLD and mlsandbox, as a user's training environment."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    settings = uv_settings()
    environ = {**os.environ, **settings.env}
    repository = Path(__file__).resolve().parents[2]
    subprocess.run([find_uv_bin(), "venv", "-q", "-p", "3.11", str(folder)], check=True, env=environ)
    wanted = [f"scikit-learn=={OLD}", "pandas", "msgspec", "-e", str(repository)]
    for attempt in ((), ("--offline",)):
        done = subprocess.run(
            [find_uv_bin(), "pip", "install", "-q", *settings.flags, *attempt, "-p", str(folder), *wanted], check=False, env=environ
        )
        if done.returncode == 0:
            return folder / "bin" / "python"
    raise AssertionError("could not make an environment with the older scikit-learn")


def test_another_library_version_that_answers_differently_must_be_refused(old_python: Path, make_sandbox: Callable[..., Sandbox]) -> None:
    """A model whose lock was edited to a scikit-learn that answers differently must be refused by its name."""
    sandbox = make_sandbox(python=old_python)
    sandbox.script(TRAIN_OVR)
    sandbox.run("up").ok()
    sandbox.down().ok()
    requirements = sandbox.root / "iris" / "requirements.txt"
    requirements.write_text(requirements.read_text().replace(f"scikit-learn=={OLD}", f"scikit-learn=={NEW}"))

    result = sandbox.run("up")

    assert result.code == 1
    assert "GOLDEN_MISMATCH" in result.err
    assert "scikit-learn" in result.err
    assert OLD in result.err
    assert NEW in result.err
    assert "row" in result.err
    sandbox.gone()


def test_a_flipped_byte_in_the_model_must_be_refused(saved: Sandbox) -> None:
    """One flipped byte of the saved model file must be refused with its digest mismatch, before anything is loaded."""
    model = saved.root / "churn" / "model.joblib"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(bytes(content))

    result = saved.run("up")

    assert result.code == 1
    assert "digest" in result.err
    assert "model.joblib" in result.err
    saved.gone()


def test_a_flipped_byte_in_the_package_must_be_refused(saved: Sandbox) -> None:
    """One flipped byte of the packaged model file must be refused with its digest mismatch."""
    (model,) = (saved.root / ".sandbox" / "bentoml" / "models").rglob("model.joblib")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.chmod(0o644)
    model.write_bytes(bytes(content))

    result = saved.run("up")

    assert result.code == 1
    assert "digest" in result.err
    saved.gone()


def test_ready_must_mean_that_the_golden_rows_were_reproduced(running_stack: Sandbox) -> None:
    """/readyz of a stack that is up must say how many golden rows were reproduced, bit for bit."""
    status, text = get(running_stack.url + "/readyz")

    body = json.loads(text)
    assert status == 200
    assert body["golden"]["rows"] >= 40
    assert body["golden"]["bit_equal"] <= body["golden"]["rows"]
