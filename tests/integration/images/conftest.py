"""A small packaged model, and the cache of environments that all test runs share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlsandbox.packaging.package import Package
from support.docker_rig import DockerRig
from support.docker_stack import docker
from support.images import PROJECT, remove_images
from support.packages import package_project
from support.sandbox import CACHE

Train = Callable[[float], Package]


@pytest.fixture(scope="session", autouse=True)
def shared_cache() -> Iterator[None]:
    """Build each environment once for all test runs; never take an active environment for the one that trained the model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CACHE_DIR", str(CACHE))
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, docker_rig: DockerRig) -> Iterator[Train]:
    """Fit a model with a given strength, and package it: a new version of the same project. Its images are removed at the end."""
    root = tmp_path_factory.mktemp("images") / "a project"
    (root / "churn").mkdir(parents=True)
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"age": generator.integers(18, 90, 200), "income": generator.normal(30_000, 10_000, 200).round(2)})
    label = (frame["age"] * 500 + frame["income"] > 55_000).astype(int)
    frame.assign(left=label).to_csv(root / "churn" / "reference.csv", index=False)
    (root / "sandbox.toml").write_text(
        f'name = "{PROJECT}"\n[models.churn]\npath = "churn/model.joblib"\nreference = "churn/reference.csv"\ntarget = "left"\n'
    )

    def fit(strength: float) -> Package:
        joblib.dump(LogisticRegression(C=strength, max_iter=1000).fit(frame, label), root / "churn" / "model.joblib")
        return package_project(root)

    yield fit
    remove_images(root)


@pytest.fixture
def unique_base(docker_rig: DockerRig, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Make an image on the rig's base that no other test run has, with further instructions."""
    made: list[str] = []

    def make(instructions: str) -> str:
        context = tmp_path / f"base-{len(made)}"
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {docker_rig.images['python']}\nCOPY unique /\n{instructions}\n")
        (context / "unique").write_text(uuid.uuid4().hex)
        made.append(f"imagetest/base:{uuid.uuid4().hex[:12]}")
        docker("build", "--quiet", "--tag", made[-1], str(context))
        return made[-1]

    yield make
    for name in made:
        docker("image", "rm", "--force", name)
