"""The image of a model, as it is built, run and built again."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.docker_host import OWNER, owner_of
from mlsandbox.errors import ImageBuildFailed
from mlsandbox.packaging.images import find_images, supply_images
from mlsandbox.packaging.package import Package
from mlsandbox_serving.contract import Env
from support.bento import free_port
from support.docker_rig import DockerRig
from support.docker_stack import docker
from support.images import Told, environment, inside, inspect, settings, stack
from support.waiting import HANG_SECONDS, wait_for

Train = Callable[[float], Package]
LOG = ".sandbox/logs/images/churn.log"


@pytest.fixture(scope="module")
def package(train: Train) -> Package:
    """The first version of the model."""
    return train(1.0)


@pytest.fixture(scope="module")
def image(package: Package, docker_rig: DockerRig) -> str:
    """Its image."""
    return build(package, docker_rig)[0]


def root_of(package: Package) -> Path:
    return package.store.parents[1]


def build(package: Package, rig: DockerRig, **overrides: str) -> tuple[str, Told]:
    """The name of the package's image, which is built when it is missing, and what was told."""
    told = Told()
    wanted = settings(root_of(package), {**rig.images, **overrides})
    images = supply_images(stack(package=package), {package.tag: package}, wanted, told)
    return images[environment(package)].reference, told


@contextmanager
def served(image: str, package: Package) -> Iterator[str]:
    """The address of the model service in a container like the stack's."""
    port = free_port()
    variables = {
        "PYTHONPATH": "/home/bentoml/bento/src",
        "BENTOML_DO_NOT_TRACK": "true",
        Env.MODEL: package.model,
        Env.VERSION: package.version,
        Env.STACK_ID: "imagetest",
        Env.SPOOL_DIR: "/var/lib/sandbox/spool",
        Env.METRICS_DIR: "/var/lib/sandbox/metrics",
    }
    name = f"imagetest-{port}"
    docker(
        *("run", "--detach", "--name", name, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),  # noqa: S108 - inside a container
        *("--security-opt", "no-new-privileges", "--publish", f"127.0.0.1:{port}:3000"),
        *("--volume", "/var/lib/sandbox/spool", "--volume", "/var/lib/sandbox/metrics"),
        *(word for key, value in variables.items() for word in ("--env", f"{key}={value}")),
        *("--entrypoint", "python", image, "-m", "bentoml", "serve", "/home/bentoml/bento", "--host", "0.0.0.0", "--port", "3000"),  # noqa: S104 - inside a container
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", "--volumes", name)


def ask(url: str, content: Any = None) -> Any:
    """The JSON answer to a GET, or to a POST of `content`; None while nobody answers."""
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - our own port
    try:
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310 - our own port
            return json.loads(answer.read())
    except OSError:
        return None


def test_it_serves_the_golden_predictions_without_rights(image: str, package: Package) -> None:
    """With a read-only root, no capabilities and a user that is not root, the model must reproduce its rows and answer."""
    with served(image, package) as url:
        ready = wait_for(lambda: ask(f"{url}/readyz"), every=0.2, what="the model service answers")
        answer = ask(f"{url}/predict", package.manifest["example"])

    assert ready["ready"] is True
    assert ready["golden"]["bit_equal"] == ready["golden"]["rows"] > 0
    assert answer["predictions"][0] in {0, 1}


def test_it_has_what_the_lock_says_and_no_compilers(image: str, package: Package) -> None:
    """Its packages must be those of the lock, in their versions, first on PATH as `python`, and nothing must be able to compile."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in json.loads(inside(image, "python", "-c", code)).items()}
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", package.lock, re.MULTILINE))

    assert {name: version for name, version in found.items() if name in locked or name == "bentoml"} == found
    assert found.items() <= locked.items()
    assert inside(image, "python", "-c", "import shutil; print([p for p in ('gcc', 'cc', 'make', 'git') if shutil.which(p)])") == "[]\n"
    assert (
        inside(image, "python", "-c", "import os; print(os.getuid() > 0, os.stat('/var/lib/sandbox/spool').st_uid == os.getuid())")
        == "True True\n"
    )


def test_it_says_what_it_is_of(image: str, package: Package) -> None:
    """Labels must name the project, the model, its version and its digest."""
    labels = inspect(image)["Config"]["Labels"]

    assert labels[OWNER] == owner_of(root_of(package))
    assert str(root_of(package)) not in str(labels)  # images are pushed to where others read them
    assert (labels["org.mlsandbox.model"], labels["org.mlsandbox.version"]) == ("churn", package.version)
    assert labels["org.mlsandbox.digest"] == package.digest
    assert labels["org.opencontainers.image.title"] == "churn"
    assert labels["org.opencontainers.image.version"] == package.version == "v1"


def test_it_is_not_built_again_while_it_is_the_same(image: str, package: Package, docker_rig: DockerRig) -> None:
    """An image that is there must be found, and nothing be built; one on another base must count as missing."""
    wanted = settings(root_of(package), docker_rig.images)
    found = find_images(stack(package=package), {package.tag: package}, wanted)
    other = settings(root_of(package), {**docker_rig.images, "python": "imagetest/absent:1"})

    assert found.missing == ()
    assert found.images[environment(package)].id == inspect(image)["Id"]
    assert build(package, docker_rig) == (image, Told())
    assert find_images(stack(package=package), {package.tag: package}, other).missing == ("imagetest/absent:1", image)


def test_another_model_reuses_the_layer_of_the_packages(image: str, train: Train, docker_rig: DockerRig) -> None:
    """A new version with the same packages must build only what it adds: the builder must say so of the installation."""
    package = train(0.1)
    again, told = build(package, docker_rig)
    log = (root_of(package) / LOG).read_text()
    (step,) = set(re.findall(r"^(#\d+) \[.*requirements\.txt", log, re.MULTILINE))

    assert again == "mlsandbox/imagetest/churn:v2" != image
    assert f"{step} CACHED\n" in log
    assert "Building the image of churn v2" in told.lines
    with served(again, package) as url:
        assert wait_for(lambda: ask(f"{url}/readyz"), every=0.2, what="the new version answers")["version"] == "v2"


def test_a_base_with_another_python_is_explained(package: Package, docker_rig: DockerRig, unique_base: Callable[[str], str]) -> None:
    """When the base lacks the model's Python, the error must say so, with the log, and leave no image behind."""
    base = unique_base("RUN rm -f /usr/bin/python3.11 /usr/bin/python3")
    with pytest.raises(ImageBuildFailed, match=r"(?s)3\.11.*\[stack\.images\] python") as failed:
        build(package, docker_rig, python=base)

    assert Path(str(failed.value.details["log"])).is_file()
