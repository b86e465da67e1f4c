"""A model that mlsandbox.save handed over: packaged as it was captured."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import mlsandbox
from mlsandbox.errors import CaptureStale
from mlsandbox.packaging.package import verify_package
from support.packages import package_project


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(1).random((60, 2)), columns=["a", "b"])


def test_saved_model(tmp_path: Path, frame: pd.DataFrame) -> None:
    """A saved model must be packaged with the versions of its own interpreter, and saving it again must not make another version."""
    model = LogisticRegression().fit(frame, frame["a"] > frame["b"])
    mlsandbox.save(model, "churn", reference=frame, path=tmp_path)
    first = package_project(tmp_path)
    assert str(first.manifest["origin"]).startswith("environment from capture.json (scikit-learn ")
    assert first.manifest["libraries"]["scikit-learn"] in first.lock
    verify_package(first)
    mlsandbox.save(model, "churn", reference=frame, path=tmp_path)
    again = package_project(tmp_path)
    assert (again.version, again.created, again.digest) == ("v1", False, first.digest)


def test_own_code_is_pinned(tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own modules must be in the package, and must be those that were saved with the model."""
    source = tmp_path / "own"
    source.mkdir()
    (source / "own_estimator.py").write_text(
        textwrap.dedent("""
            from sklearn.linear_model import LogisticRegression

            class Own(LogisticRegression):
                pass
        """)
    )
    monkeypatch.syspath_prepend(str(source))
    from own_estimator import Own  # type: ignore[import-not-found]  # noqa: PLC0415 - written above

    root = tmp_path / "project"
    root.mkdir()
    model = Own().fit(frame, frame["a"] > frame["b"])
    mlsandbox.save(model, "churn", reference=frame, path=root, code=[source / "own_estimator.py"])
    package = package_project(root)
    assert (package.source / "package/code/own_estimator.py").is_file()
    verify_package(package)
    saved = root / "churn/code/own_estimator.py"
    saved.write_text(saved.read_text() + "# changed\n")
    with pytest.raises(CaptureStale, match=r"code/own_estimator\.py"):
        package_project(root)
