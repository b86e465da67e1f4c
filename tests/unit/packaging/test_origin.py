"""Where a model's versions come from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.errors import CaptureStale, OriginUnknown, PythonMissing
from mlsandbox.packaging import origin
from mlsandbox.packaging.inspect import ModelInfo
from mlsandbox.packaging.interpreters import Installed, find_python
from mlsandbox.packaging.origin import discover, from_capture, referenced_modules
from mlsandbox.setting_kinds import ModelSource
from mlsandbox.settings import ModelConfig
from mlsandbox_serving.contract import ModelKind

FOREST = ModelInfo(
    ModelKind.SKLEARN,
    (),
    "sha256:0",
    ("builtins.getattr", "numpy._core.multiarray._reconstruct", "sklearn.ensemble._forest.RandomForestClassifier"),
    (),
    {"scikit-learn": "1.9.1"},
)
CAPTURE: dict[str, Any] = {"python": "3.11.7", "roots": ["scikit-learn"], "libraries": {"scikit-learn": "1.9.1", "numpy": "2.4.6"}}


def model(path: Path, **more: Any) -> ModelConfig:
    return ModelConfig(name="churn", source=ModelSource(path), **more)


def installed(**versions: str) -> Installed:
    """An interpreter that has these distributions, none of which needs another but scikit-learn."""
    names = {name.replace("_", "-"): version for name, version in versions.items()}
    modules = {"sklearn": ("scikit-learn",), "numpy": ("numpy",), "xgboost": ("xgboost-cpu",)}
    here = {module: found for module, found in modules.items() if found[0] in names}
    return Installed(
        Path("/venv/bin/python"), Path("/usr/bin/python3.12"), "3.12.1", names, {"scikit-learn": ("numpy", "joblib")}, {}, here
    )


def answers(monkeypatch: pytest.MonkeyPatch, *found: Installed) -> None:
    """Let the interpreters at hand be these."""
    monkeypatch.setattr(origin, "candidates", lambda: iter([(f"candidate {number}", Path(str(number))) for number, _ in enumerate(found)]))
    monkeypatch.setattr(origin, "query", lambda executable, **_: found[int(executable.name)])


def test_capture(tmp_path: Path) -> None:
    """What mlsandbox.save recorded must be taken, and its requirements.txt, which may have been edited, must win."""
    listed = tmp_path / "requirements.txt"
    listed.write_text("joblib==1.5.0\nnumpy==2.4.5\n")
    found = from_capture(CAPTURE, requirements=listed)
    assert [each.line for each in found.roots] == ["scikit-learn==1.9.1"]
    assert found.versions == {"scikit-learn": "1.9.1", "numpy": "2.4.5", "joblib": "1.5.0"}
    assert found.describe() == "environment from capture.json (scikit-learn 1.9.1, Python 3.11)"


def test_empty_capture(tmp_path: Path) -> None:
    """A capture without packages must be an error, not an environment without the model's libraries."""
    with pytest.raises(CaptureStale):
        from_capture({"python": "3.11.7"}, requirements=tmp_path / "none")


def test_interpreter_that_trained_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first interpreter that has what the model references, at the versions that the model records, must be taken."""
    answers(
        monkeypatch,
        installed(numpy="2.4.6"),
        installed(scikit_learn="1.8.0", numpy="2.4.6"),
        installed(scikit_learn="1.9.1", numpy="2.4.6", joblib="1.6.0", flask="3"),
    )
    found = discover(model(tmp_path / "model.joblib"), FOREST)
    assert found.source == "candidate 2"
    assert found.python == "3.12"
    assert [each.line for each in found.roots] == ["numpy==2.4.6", "scikit-learn==1.9.1"]
    assert found.versions == {"scikit-learn": "1.9.1", "numpy": "2.4.6", "joblib": "1.6.0"}


def test_model_file_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a fitting interpreter, the versions that the model file records must be taken, with a numpy that can read it."""
    answers(monkeypatch, installed(scikit_learn="1.2.0", numpy="2.4.6"))
    found = discover(model(tmp_path / "model.joblib"), FOREST)
    assert [each.line for each in (*found.roots, *found.others)] == ["scikit-learn==1.9.1", "numpy>=2"]


def test_nothing_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pickle whose versions nothing tells must be an error; a format made to be read by later versions must not."""
    answers(monkeypatch, installed(numpy="2.4.6"))
    info = ModelInfo(ModelKind.SKLEARN, (), "", ("lightgbm.sklearn.LGBMClassifier",), (), {})
    with pytest.raises(OriginUnknown, match="lightgbm"):
        discover(model(tmp_path / "model.pkl"), info)
    native = discover(model(tmp_path / "model.txt"), ModelInfo(ModelKind.LIGHTGBM, (), "", (), (), {}))
    assert [each.line for each in native.roots] == ["lightgbm"]


def test_variant_of_a_distribution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module that another distribution provides must be required under that distribution's name."""
    answers(monkeypatch, installed(xgboost_cpu="3.2.0", numpy="2.4.6"))
    (tmp_path / "model.ubj").touch()
    found = discover(model(tmp_path / "model.ubj"), ModelInfo(ModelKind.XGBOOST, (), "", (), (), {}))
    assert [each.line for each in found.roots] == ["xgboost-cpu==3.2.0"]


def test_requirements_of_the_project(tmp_path: Path) -> None:
    """Pins of what the model references must become roots, the rest must be free to move."""
    listed = tmp_path / "requirements.txt"
    listed.write_text("scikit-learn==1.9.1\nrequests==2.30.0\nnumpy\n")
    found = discover(model(tmp_path / "model.joblib", requirements=listed), FOREST)
    assert [each.line for each in found.roots] == ["scikit-learn==1.9.1", "numpy"]
    assert [each.line for each in found.others] == ["requests==2.30.0"]


def test_python_that_a_lock_demands(tmp_path: Path) -> None:
    """A project that does not admit our own Python must be served with one that it admits."""
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
    (tmp_path / "uv.lock").write_text(f'requires-python = "=={other}.*"\n')
    assert discover(model(tmp_path / "model.joblib", requirements=tmp_path / "uv.lock"), FOREST).python == other


def test_mlflow_requirements(tmp_path: Path) -> None:
    """MLflow lists only what matters, so that all of it must stay."""
    (tmp_path / "requirements.txt").write_text("mlflow-skinny==3.17.2\nscikit-learn==1.9.1\n")
    (tmp_path / "python_env.yaml").write_text("python: 3.12.1\n")
    found = discover(model(tmp_path), ModelInfo(ModelKind.MLFLOW, (), "", (), (), {}))
    assert [each.line for each in found.roots] == ["mlflow-skinny==3.17.2", "scikit-learn==1.9.1"]
    assert found.python == "3.12"


def test_imports_of_plain_python(tmp_path: Path) -> None:
    """A plain Python model references what it and the modules handed over with it import; not the standard library, not itself."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "features.py").write_text("import scipy.stats\nfrom . import other\n")
    path = tmp_path / "predict.py"
    path.write_text("import json\nimport features\nfrom sklearn.svm import SVC\n\ndef f():\n    import xgboost\n")
    found = referenced_modules(model(path, code=(code,)), ModelInfo(ModelKind.PYTHON, (), ""))
    assert found == {"scipy", "sklearn", "xgboost"}


def test_unsupported_python() -> None:
    """A Python that served code does not run on must be refused before anything is looked for."""
    with pytest.raises(PythonMissing, match=r"Python 3\.9 is not supported"):
        find_python("3.9")
