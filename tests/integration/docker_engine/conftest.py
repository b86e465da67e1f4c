"""A stack of toys in containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from support.docker_rig import DockerRig
from support.engine_bench import Bench
from support.leaks import assert_nothing_left
from support.toy_image import toy_image
from support.toy_stack import ToyStack


@pytest.fixture
def image(docker_rig: DockerRig) -> ImageRef:
    """What toys run in."""
    return toy_image(docker_rig.images["python"])


@pytest.fixture
def stack(tmp_path: Path, image: ImageRef) -> Iterator[ToyStack]:
    """Nothing of it may be left, whatever a test does."""
    root = tmp_path / "project"
    root.mkdir()
    made = ToyStack(root, image)
    yield made
    made.down()
    made.engine.remove_kept()
    assert_nothing_left(root, made.ports, docker=True)


@pytest.fixture
def bench(tmp_path: Path, docker_rig: DockerRig, image: ImageRef) -> Iterator[Bench]:
    """Toys behind a gateway; nothing of it may be left, whatever a test does."""
    made = Bench("docker", tmp_path, image, ImageRef(docker_rig.images["haproxy"], docker_rig.images["haproxy"]))
    yield made
    made.down()
    made.engine.remove_kept()
    made.assert_nothing_left()
