"""Projects for the rules: one that was never up, one that was up and is stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sandbox import Sandbox

PROJECT = 'name = "churn"\n\n[models.churn]\npath = "predict.py:Predictor"\n'


@pytest.fixture
def fresh(tmp_path: Path) -> Sandbox:
    """A project that was never up, where no Docker answers."""
    root = tmp_path / "churn"
    root.mkdir()
    (root / "sandbox.toml").write_text(PROJECT)
    (root / "predict.py").write_text("class Predictor:\n    def predict(self, frame):\n        return frame.iloc[:, 0]\n")
    (tmp_path / "home").mkdir()
    return Sandbox(root, tmp_path / "home", extra={"DOCKER_HOST": "unix:///no/docker.sock"})


@pytest.fixture(scope="module")
def stopped(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A project that was up once; each test leaves it stopped."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "home").mkdir()
    shutil.copytree(template / "stopped", folder / "churn")
    sandbox = Sandbox(folder / "churn", folder / "home")
    yield sandbox
    sandbox.down()
