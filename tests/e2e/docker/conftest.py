"""The census example in containers, brought up once for all tests that only look at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support import rig_engine
from support.docker_rig import DockerRig
from support.docker_stack import DockerSandbox
from support.example import train_example
from support.waiting import wait_for


@pytest.fixture(scope="session")
def trained_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's folder with its saved model."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "home").mkdir()
    (folder / "employment").mkdir()
    sandbox = DockerSandbox(folder / "employment", folder / "home")
    train_example(sandbox)
    return sandbox.root


@pytest.fixture(scope="session")
def make_docker(
    docker_rig: DockerRig, trained_example: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., DockerSandbox]]:
    """Makes projects with the example's model whose stacks run in containers; at the end nothing of them is left."""
    made: list[DockerSandbox] = []

    def make(name: str, **extra: str) -> DockerSandbox:
        folder = tmp_path_factory.mktemp(name)
        (folder / "home").mkdir()
        shutil.copytree(trained_example, folder / "employment")
        sandbox = DockerSandbox(folder / "employment", folder / "home", extra=extra)
        sandbox.use_images(docker_rig.images, f"{name}-{uuid.uuid4().hex[:6]}")  # another run of the tests may be under way
        made.append(sandbox)
        return sandbox

    yield make
    for sandbox in made:
        sandbox.run("down", "--volumes", "--yes").ok()


@pytest.fixture(scope="session")
def full(make_docker: Callable[..., DockerSandbox]) -> DockerSandbox:
    """A full stack that is up; whatever a test does to it must be undone."""
    sandbox = make_docker("e2e-full")
    sandbox.run("up", timeout=600).ok()
    return sandbox


@pytest.fixture(scope="session")
def row(trained_example: Path) -> dict[str, object]:
    """An example row of the model."""
    example: dict[str, object] = json.loads((trained_example / "employment/capture.json").read_text())["example"]
    return example


@pytest.fixture
def restart_docker() -> Callable[[], None]:
    """Ends the Docker engine and starts it again; only where no service manager looks after it."""
    if Path("/run/systemd/system").exists():
        pytest.skip("Docker belongs to the service manager here")

    def restart() -> None:
        pid = int(Path("/var/run/docker.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not psutil.pid_exists(pid), every=0.1, what="the end of dockerd")
        rig_engine.up()

    return restart
