"""A small model as a project, and the cache of environments that all test runs share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlsandbox.packaging.store import Package, list_packages
from support.packages import MODEL, package_project
from support.sandbox import CACHE


@pytest.fixture(scope="session", autouse=True)
def shared_cache() -> Iterator[None]:
    """Build each environment once for all test runs; never take an active environment for the one that trained the model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CACHE_DIR", str(CACHE))
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one model and its reference data, never packaged."""
    root = tmp_path_factory.mktemp("pristine") / "a project"
    (root / MODEL).mkdir(parents=True)
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"age": generator.integers(18, 90, 200), "income": generator.normal(30_000, 10_000, 200).round(2)})
    label = (frame["age"] * 500 + frame["income"] > 55_000).astype(int)
    joblib.dump(LogisticRegression(max_iter=1000).fit(frame, label), root / MODEL / "model.joblib")
    frame.assign(left=label).to_csv(root / MODEL / "reference.csv", index=False)
    (root / "sandbox.toml").write_text(
        f'schema = 1\nname = "demo"\n[models.churn]\npath = "{MODEL}/model.joblib"\nreference = "{MODEL}/reference.csv"\ntarget = "left"\n',
        encoding="utf-8",
    )
    return root


@pytest.fixture(scope="session")
def packaged_once(pristine: Path) -> Path:
    """The same project, packaged once."""
    root = pristine.with_name("packaged")
    shutil.copytree(pristine, root)
    package_project(root)
    return root


@pytest.fixture
def project(pristine: Path, tmp_path: Path) -> Path:
    """A copy of the project without packages."""
    return Path(shutil.copytree(pristine, tmp_path / "a project"))


@pytest.fixture
def packaged(packaged_once: Path, tmp_path: Path) -> Package:
    """The package v1 in a copy of the packaged project."""
    root = shutil.copytree(packaged_once, tmp_path / "packaged")
    (package,) = list_packages(root, "churn")
    return package
