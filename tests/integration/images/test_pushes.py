"""Pushes to a real registry."""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsandbox.docker_host import ImageRef
from mlsandbox.errors import ImagePushFailed
from mlsandbox.packaging.image_push import push_image
from mlsandbox.packaging.image_store import local_images
from support.bento import free_port
from support.docker_rig import DockerRig, required
from support.docker_stack import docker
from support.image_registry import PROGRAM, is_installed, registry
from support.images import Told

MISSING = not is_installed() and not required()  # where Docker is required this program is too
pytestmark = pytest.mark.skipif(MISSING, reason=f"needs {PROGRAM} (Debian's package of that name)")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def image(docker_rig: DockerRig, tmp_path: Path) -> Iterator[ImageRef]:
    """A new image of this machine."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY filling /\n")
    (context / "filling").write_bytes(os.urandom(100_000))
    name = f"sandbox-test/pushed:{uuid.uuid4().hex[:12]}"
    docker("build", "--quiet", "--tag", name, str(context))
    found = local_images().find(name)
    assert found is not None
    yield found
    docker("image", "rm", "--force", name)


def test_the_registry_has_it_by_the_digest(image: ImageRef, tmp_path: Path) -> None:
    """A push must give the name with the registry's own digest, the same for the same image, and leave no further name here."""
    told = Told()
    with registry(tmp_path / "registry") as address:
        name = f"{address}/team/churn:v3"
        pushed, again = push_image(image, name, told), push_image(image, name, told)
        digest = pushed.removeprefix(f"{name}@")
        request = urllib.request.Request(f"http://{address}/v2/team/churn/manifests/{digest}", headers={"accept": MANIFEST})
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            manifest = json.loads(answer.read())

    assert pushed == again
    assert manifest["schemaVersion"] == 2
    assert local_images().find(name) is None
    assert local_images().find(image.reference) == image
    assert f"Pushed {name}" in told.lines[-1]


def test_a_name_that_was_there_stays(image: ImageRef, tmp_path: Path) -> None:
    """A name in the registry that this machine had before must be kept."""
    with registry(tmp_path / "registry") as address:
        name = f"{address}/team/churn:v3"
        docker("tag", image.reference, name)
        try:
            push_image(image, name, Told())

            assert local_images().find(name) is not None
        finally:
            docker("image", "rm", name)


def test_what_a_registry_does_not_take_is_explained(image: ImageRef, tmp_path: Path) -> None:
    """A registry that wants a login and one that does not answer must be two errors, each with its own next step."""
    with registry(tmp_path / "registry", closed=True) as closed:
        expected = {closed: ("wants a login", f"docker login {closed}"), f"127.0.0.1:{free_port()}": ("does not reach", "--to-registry")}
        for address, (why, fix) in expected.items():
            name = f"{address}/team/churn:v3"
            with pytest.raises(ImagePushFailed) as failed:
                push_image(image, name, Told())

            assert name in failed.value.what
            assert why in failed.value.why, failed.value
            assert fix in failed.value.fix, failed.value
            assert local_images().find(name) is None
