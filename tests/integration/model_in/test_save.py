"""mlsandbox.save: what it writes, what it refuses, and that a save is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import sklearn
import xgboost
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import mlsandbox
from mlsandbox.errors import ConfigInvalid, SandboxError, SaveRefused, UntrustedModel
from mlsandbox.packaging.inspect import inspect_model
from mlsandbox.project import load_project
from mlsandbox.saving.folder import project_name
from mlsandbox_serving.contract import ModelKind
from mlsandbox_serving.golden import replay
from mlsandbox_serving.models import ModelSpec, load
from mlsandbox_serving.schema import Schema

RNG = np.random.RandomState(0)
FRAME = pd.DataFrame({"a": RNG.rand(120), "b": RNG.rand(120)}).astype("float32").astype("float64")
LABELS = pd.Series((FRAME["a"] > 0.5).map({True: "yes", False: "no"}), name="churned")
CODES = (FRAME["a"] > 0.5).astype(int).rename("churned")
MODEL = LogisticRegression().fit(FRAME, LABELS)


def captured(root: Path, name: str = "churn") -> dict[str, Any]:
    """capture.json of a saved model."""
    found: dict[str, Any] = json.loads((root / name / "capture.json").read_text(encoding="utf-8"))
    return found


def model_settings(root: Path, name: str = "churn") -> dict[str, Any]:
    """`[models.<name>]` of a saved project."""
    found: dict[str, Any] = tomllib.loads((root / "sandbox.toml").read_text(encoding="utf-8"))["models"][name]
    return found


def check_golden(root: Path, name: str) -> None:
    """Load the saved file as the service does and replay the golden rows."""
    capture = captured(root, name)
    spec = ModelSpec.from_json(capture["load"])
    predictor = load(spec.kind, root / name, spec=spec)
    outcome = replay(predictor, Schema.from_json(capture["schema"]), capture["golden"])

    assert outcome.ok
    assert outcome.rows >= 50


def test_a_saved_model_is_a_project(tmp_path: Path) -> None:
    """After one save the folder must hold a valid project with model, data, pins and all that was captured."""
    root = mlsandbox.save(
        MODEL, "churn", reference=FRAME, target=LABELS, metrics={"auc": np.float64(0.9)}, parameters={"seed": 3}, path=tmp_path / "Größe 1"
    )
    capture = captured(root)
    project = load_project(root)

    assert project.models["churn"].path == root / "churn" / "model.joblib"
    assert project.models["churn"].target == "churned"
    assert list(pd.read_parquet(root / "churn" / "reference.parquet").columns) == ["a", "b", "churned"]
    assert f"scikit-learn=={sklearn.__version__}" in (root / "churn" / "requirements.txt").read_text().splitlines()
    assert {"scikit-learn", "pandas", "numpy"} <= set(capture["roots"])
    assert capture["files"][0]["sha256"] == hashlib.sha256((root / "churn" / "model.joblib").read_bytes()).hexdigest()
    assert capture["model_digest"] == inspect_model(root / "churn" / "model.joblib").digest
    assert capture["metrics"] == {"auc": 0.9}
    assert capture["parameters"]["seed"] == 3
    assert capture["parameters"]["C"] == 1.0
    assert capture["data"]["rows"] == 120
    assert capture["unlockable"] == []
    assert capture["example"] == {name: values[0] for name, values in capture["golden"]["columns"].items()}
    check_golden(root, "churn")


def test_saving_twice_changes_nothing(tmp_path: Path) -> None:
    """The same model and data must give the same digests, and leave sandbox.toml as it is."""
    mlsandbox.save(MODEL, "churn", reference=FRAME, target=LABELS, path=tmp_path)
    first, text = captured(tmp_path), (tmp_path / "sandbox.toml").read_text()
    mlsandbox.save(MODEL, "churn", reference=FRAME, target=LABELS, path=tmp_path)
    second = captured(tmp_path)

    assert {**first, "created": None} == {**second, "created": None}
    assert (tmp_path / "sandbox.toml").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["churn", "sandbox.toml"]


def test_comments_and_other_settings_stay(tmp_path: Path) -> None:
    """A second model must be added to a sandbox.toml that a person wrote, without touching the rest."""
    text = '#:schema https://example.org/x.json\nname = "mine" # ours\n\n[models.other]\npath = "m.onnx" # keep\n\n[log]\ninputs = false\n'
    (tmp_path / "sandbox.toml").write_text(text)
    mlsandbox.save(MODEL, "churn", reference=FRAME, private=["a"], hashed=["b"], path=tmp_path)
    written = (tmp_path / "sandbox.toml").read_text()

    for line in text.splitlines():
        assert line in written.splitlines()
    assert model_settings(tmp_path)["private"] == ["a"]
    assert model_settings(tmp_path)["hashed"] == ["b"]
    assert "target" not in model_settings(tmp_path)


def test_the_users_files_beside_the_model_stay(tmp_path: Path) -> None:
    """A lock or note in the model's folder must survive the next save; what an earlier save wrote must not."""
    mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path)
    (tmp_path / "churn" / "requirements.lock").write_text("edited")
    (tmp_path / "churn" / "notes").mkdir()
    booster = xgboost.train({}, xgboost.DMatrix(FRAME, label=CODES), num_boost_round=2)
    with pytest.warns(UserWarning, match="reference=…") as told:
        mlsandbox.save(booster, "churn", path=tmp_path)
    assert told[0].filename == __file__

    names = sorted(path.name for path in (tmp_path / "churn").iterdir())
    assert names == ["capture.json", "model.ubj", "notes", "requirements.lock", "requirements.txt"]
    assert (tmp_path / "churn" / "requirements.lock").read_text() == "edited"
    assert "reference" not in model_settings(tmp_path)


def kinds() -> Iterator[tuple[str, Any, Any, str, set[str]]]:
    """Name, model, labels, file, roots."""
    yield "xgb-wrapper", xgboost.XGBClassifier(n_estimators=3).fit(FRAME, CODES), CODES, "model.joblib", {"scikit-learn", "xgboost-cpu"}
    yield "xgb", xgboost.XGBRegressor(n_estimators=3).fit(FRAME, CODES).get_booster(), CODES, "model.ubj", {"xgboost-cpu"}
    lgbm = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(FRAME, LABELS)
    yield "lgb-wrapper", lgbm, LABELS, "model.joblib", {"scikit-learn", "lightgbm"}
    yield "lgb", lgbm.booster_, LABELS, "model.txt", {"lightgbm"}
    cat = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(FRAME, LABELS)
    yield "cat", cat, LABELS, "model.cbm", {"catboost"}
    yield "onnx", to_onnx(MODEL, FRAME.to_numpy(dtype="float32")[:1], options={"zipmap": False}), LABELS, "model.onnx", {"onnxruntime"}


@pytest.mark.filterwarnings("ignore")
def test_every_kind_in_its_own_format(tmp_path: Path) -> None:
    """Each kind must be written in its framework's format, name its distributions, and reproduce its golden rows from the file."""
    for name, model, labels, file, roots in kinds():
        mlsandbox.save(model, name, reference=FRAME, target=labels, path=tmp_path)

        assert model_settings(tmp_path, name)["path"] == f"{name}/{file}", name
        assert roots <= set(captured(tmp_path, name)["roots"]), name
        check_golden(tmp_path, name)


OWN = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from . import limits

def clip(X):
    return np.clip(X, 0, limits.TOP)

class Threshold(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.array(["no", "yes"])
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] > 0.5, "yes", "no")
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's package, importable."""
    package = tmp_path / "src" / "churn_features"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "limits.py").write_text("TOP = 1\n")
    (package / "steps.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(package.parent))
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "churn_features"]:
        del sys.modules[name]


def test_own_code_is_refused_until_it_is_handed_over(tmp_path: Path, own_package: Path) -> None:
    """Classes and functions of one's own modules need code=[…]; then they are copied and pinned by digest."""
    import churn_features.steps as steps  # type: ignore[import-not-found] # noqa: PLC0415, PLR0402

    model = make_pipeline(FunctionTransformer(steps.clip), steps.Threshold()).fit(FRAME, LABELS)
    with pytest.raises(UntrustedModel) as refusal:
        mlsandbox.save(model, "churn", reference=FRAME, path=tmp_path / "p")
    assert refusal.value.details["unknown"] == ["churn_features.steps.Threshold", "churn_features.steps.clip"]
    assert "code=[churn_features]" in refusal.value.fix
    assert not (tmp_path / "p" / "churn").exists()

    for code in ([own_package], [str(own_package.parent)], [steps]):
        mlsandbox.save(model, "churn", reference=FRAME, path=tmp_path / "p", code=code)

        assert [each["path"] for each in captured(tmp_path / "p")["code"]] == [
            f"churn_features/{name}.py" for name in ("__init__", "limits", "steps")
        ]
        assert model_settings(tmp_path / "p")["code"] == ["churn/code"]
        assert "churn_features" not in captured(tmp_path / "p")["roots"]
    mlsandbox.save(model, "churn", reference=FRAME, path=tmp_path / "p", trust=True)
    assert model_settings(tmp_path / "p")["trust"] is True
    assert "code" not in model_settings(tmp_path / "p")


class Local(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A class of this test module, made to look as if a notebook had defined it."""

    def fit(self, X: Any, y: Any) -> Local:  # noqa: ARG002, N803 - scikit-learn's interface
        """Nothing to learn."""
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's interface
        """Always the same."""
        return np.zeros(len(X))


def test_a_notebooks_class_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of __main__ exists nowhere else, so it must be moved into a module."""
    monkeypatch.setattr(Local, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Local", Local, raising=False)

    with pytest.raises(UntrustedModel) as refusal:
        mlsandbox.save(Local(), "churn", reference=FRAME, path=tmp_path)
    assert "module" in refusal.value.fix
    assert "__main__.Local" in refusal.value.why


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    """Lambdas, names, columns, paths: each refusal must say what to change, and leave nothing behind."""
    made: list[tuple[dict[str, Any], str]] = [
        ({"model": make_pipeline(FunctionTransformer(lambda data: data), MODEL).fit(FRAME, LABELS)}, "lambdas"),
        ({"name": "Über"}, "mlsandbox.save"),
        ({"private": ["c"]}, "private"),
        ({"code": ["none.py"]}, "code"),
        ({"reference": FRAME[["a"]]}, "reference"),
        ({"model": object()}, "predict"),
    ]
    for changes, word in made:
        keywords: dict[str, Any] = {"model": MODEL, "name": "churn", "reference": FRAME, "path": tmp_path / "p", **changes}
        with pytest.raises(SandboxError) as refusal:
            mlsandbox.save(keywords.pop("model"), keywords.pop("name"), **keywords)
        assert isinstance(refusal.value, SaveRefused), changes
        assert word in refusal.value.fix, changes
    assert not (tmp_path / "p").exists() or list((tmp_path / "p").iterdir()) == []


def test_a_refusal_says_all_in_a_traceback(tmp_path: Path) -> None:
    """A notebook shows only the text of an exception: cause and remedy must be in it, and the library's own error below it."""
    with pytest.raises(SaveRefused) as refusal:
        mlsandbox.save(LogisticRegression(), "churn", reference=FRAME, path=tmp_path)

    assert str(refusal.value).splitlines()[-1] == f"fix: {refusal.value.fix}"
    assert refusal.value.why in str(refusal.value)
    assert isinstance(refusal.value.__cause__, NotFittedError)


def test_labels_named_like_an_input_take_no_column(tmp_path: Path) -> None:
    """Labels that were computed from a column keep its name; the column must stay an input unless it holds the labels themselves."""
    mlsandbox.save(Local(), "churn", reference=FRAME, target=(FRAME["a"] > 0.5), path=tmp_path, trust=True)
    assert [column["name"] for column in captured(tmp_path)["schema"]["columns"]] == ["a", "b"]
    assert captured(tmp_path)["target"] == "a_target"

    mlsandbox.save(Local(), "churn", reference=FRAME.assign(churned=LABELS), target=LABELS, path=tmp_path, trust=True)
    assert [column["name"] for column in captured(tmp_path)["schema"]["columns"]] == ["a", "b"]


def test_a_broken_project_file_stops_the_save_first(tmp_path: Path) -> None:
    """When sandbox.toml is not TOML, nothing may be written."""
    (tmp_path / "sandbox.toml").write_text("name = ")

    with pytest.raises(ConfigInvalid):
        mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sandbox.toml"]


def test_the_commit_and_its_dirtiness_are_recorded(tmp_path: Path) -> None:
    """In a repository the commit must be kept; what a save writes does not make it dirty, a changed file does."""

    def git(*arguments: str) -> None:
        identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True, env={**os.environ, **identity})

    (tmp_path / "train.py").write_text("1")
    mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path)
    assert captured(tmp_path)["git"] is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")

    mlsandbox.save(MODEL, "churn", reference=FRAME, metrics={"auc": 1}, path=tmp_path)
    clean = captured(tmp_path)["git"]
    (tmp_path / "train.py").write_text("2")
    mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path)

    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    assert captured(tmp_path)["git"] == {"commit": clean["commit"], "dirty": True}


def test_requirements_may_be_given(tmp_path: Path) -> None:
    """A requirements file of one's own must be taken as it is."""
    (tmp_path / "mine.txt").write_text("scikit-learn==1.9.1\n")
    mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path / "p", requirements=tmp_path / "mine.txt")

    assert (tmp_path / "p" / "churn" / "requirements.txt").read_text() == "scikit-learn==1.9.1\n"


SAVES = """
import sys, numpy as np, pandas as pd, mlsandbox
from sklearn.tree import DecisionTreeRegressor
frame = pd.DataFrame({"a": np.random.rand(3000), "b": np.random.rand(3000)})
for number in range(10_000):
    model = DecisionTreeRegressor(max_depth=2 + number % 9).fit(frame, frame["a"])
    mlsandbox.save(model, "churn", reference=frame, path=sys.argv[1])
    print(number, flush=True)
"""


def test_a_killed_save_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Killed at any instant, model and capture.json must belong together, and the next save must clean up."""
    for moment in (0.0, 0.013, 0.029, 0.041, 0.067):
        with subprocess.Popen([sys.executable, "-W", "ignore", "-c", SAVES, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()

        assert inspect_model(tmp_path / "churn" / "model.joblib").digest == captured(tmp_path)["model_digest"]
        assert load_project(tmp_path).models["churn"].path.is_file()
    mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["churn", "sandbox.toml"]


def test_saving_never_unpickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save must work on the object it is handed: loading anything is an error."""

    def fail(*_arguments: object, **_keywords: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(joblib, "load", fail)
    monkeypatch.setattr("pickle.load", fail)
    monkeypatch.setattr("pickle.loads", fail)

    assert ModelKind(captured(mlsandbox.save(MODEL, "churn", reference=FRAME, path=tmp_path))["load"]["kind"]) is ModelKind.SKLEARN


def test_the_package_stays_light() -> None:
    """Importing mlsandbox must not bring numpy or the saving code."""
    code = "import sys, mlsandbox; print([name for name in ('numpy', 'pandas', 'mlsandbox.saving') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("folder", "name"), [("Meine Prüfung", "meine-prufung"), ("Größe x", "grosse-x"), ("モデル", "sandbox"), ("2024 churn", "p-2024-churn")]
)
def test_names_of_projects(tmp_path: Path, folder: str, name: str) -> None:
    """The name of a project must be its folder's, in letters that a name may have; those with accents without them."""
    assert project_name(tmp_path / folder) == name
