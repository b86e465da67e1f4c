"""Pulls from a real registry."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from mlsandbox.errors import ImagePullFailed
from mlsandbox.packaging.images import find_images, supply_images
from mlsandbox.packaging.images_catalog import catalog
from mlsandbox.stack.spec import ProgramEnvironment
from support.bento import free_port
from support.docker_rig import DockerRig, required
from support.docker_stack import docker
from support.image_registry import PROGRAM, is_installed, registry
from support.images import Told, settings, stack

PROMETHEUS, GRAFANA = ProgramEnvironment("prometheus"), ProgramEnvironment("grafana")
MISSING = not is_installed() and not required()  # where Docker is required this program is too
pytestmark = pytest.mark.skipif(MISSING, reason=f"needs {PROGRAM} (Debian's package of that name)")


@pytest.fixture
def pushed(docker_rig: DockerRig, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Put a new image of some megabytes into a registry, and take it away from this machine."""
    names: list[str] = []

    def push(address: str, name: str) -> str:
        context = tmp_path / uuid.uuid4().hex
        context.mkdir()
        (context / "Dockerfile").write_text("FROM scratch\nCOPY filling /\n")
        (context / "filling").write_bytes(os.urandom(4_000_000))
        names.append(f"{address}/{name}")
        docker("build", "--quiet", "--tag", names[-1], str(context))
        docker("push", "--quiet", names[-1])
        docker("image", "rm", "--force", names[-1])
        return names[-1]

    yield push
    for name in names:
        docker("image", "rm", "--force", name)


def test_images_come_by_way_of_a_mirror_with_progress(pushed: Callable[..., str], tmp_path: Path) -> None:
    """Missing images must be pulled from `stack.registry`, be told of, and then be found without another look at the registry."""
    told = Told()
    with registry(tmp_path / "registry") as mirror:
        names = [pushed(mirror, catalog()[key].image) for key in ("prometheus", "grafana")]
        wanted = settings(tmp_path, {}, registry=mirror)
        missing = find_images(stack(PROMETHEUS, GRAFANA), {}, wanted).missing
        images = supply_images(stack(PROMETHEUS, GRAFANA), {}, wanted, told)
    found = find_images(stack(PROMETHEUS, GRAFANA), {}, wanted)

    assert list(missing) == names
    assert isinstance(images[GRAFANA], ImageRef)
    assert found.images == images
    assert told.lines[0].startswith("Pulling 2 images")
    assert sorted(line.split()[1] for line in told.lines if line.startswith("Pulled ")) == sorted(names)


def test_what_a_registry_does_not_give_is_explained(pushed: Callable[..., str], tmp_path: Path) -> None:
    """A missing tag, a closed registry and one that does not answer must be three errors, each with its own next step."""
    with registry(tmp_path / "registry") as address, registry(tmp_path / "registry", closed=True) as closed:
        image = pushed(address, "some/program:1.0")
        absent = image.replace(":1.0", ":2.0")
        denied = image.replace(address, closed)
        gone = image.replace(address, f"127.0.0.1:{free_port()}")
        expected = {absent: ("no such image", "correct the name"), denied: ("denies", "docker login"), gone: ("not reach", "sandbox pull")}
        for name, (why, fix) in expected.items():
            with pytest.raises(ImagePullFailed) as failed:
                supply_images(stack(PROMETHEUS), {}, settings(tmp_path, {"prometheus": name}), Told())

            assert name in failed.value.what
            assert why in failed.value.why, failed.value
            assert fix in failed.value.fix, failed.value
