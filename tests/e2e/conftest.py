"""Fixtures of the end-to-end scenarios: projects in a HOME of their own, and never a process left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.churn import TRAIN
from support.sandbox import Sandbox


@pytest.fixture
def make_sandbox(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Makes project folders; at the end their stacks are down and no process of theirs is left."""
    made: list[Sandbox] = []

    def make(name: str = "project", **options: object) -> Sandbox:
        root, home = tmp_path / name, tmp_path / "home"
        root.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=True)
        sandbox = Sandbox(root, home, **options)  # type: ignore[arg-type]  # options are those of Sandbox
        made.append(sandbox)
        return sandbox

    yield make
    for sandbox in made:
        sandbox.down()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one saved model, "churn", and its package; made once, copied for every test."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "home").mkdir()
    (folder / "project").mkdir()
    sandbox = Sandbox(folder / "project", folder / "home")
    sandbox.script(TRAIN, "churn", "1.0")
    shutil.copytree(sandbox.root, folder / "trained")
    sandbox.run("up").ok()
    sandbox.down()
    shutil.copytree(sandbox.root, folder / "stopped")
    shutil.rmtree(sandbox.root / ".sandbox" / "data")
    return folder


@pytest.fixture
def trained(template: Path, make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A project with one saved model, "churn", that was never packaged."""
    sandbox = make_sandbox()
    shutil.copytree(template / "trained", sandbox.root, dirs_exist_ok=True)
    return sandbox


@pytest.fixture
def saved(template: Path, make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A project with one saved and packaged model, "churn", not up."""
    sandbox = make_sandbox()
    shutil.copytree(template / "project", sandbox.root, dirs_exist_ok=True)
    return sandbox


@pytest.fixture(scope="session")
def running_stack(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One stack that is up for the whole session, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "home").mkdir()
    sandbox = Sandbox(folder / "churn", folder / "home")
    shutil.copytree(template / "project", sandbox.root)
    sandbox.run("up").ok()
    yield sandbox
    sandbox.down()
