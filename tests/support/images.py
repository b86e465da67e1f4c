"""Stacks of few services for tests of their images, and looks into images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlsandbox.docker_host import OWNER, owner_of
from mlsandbox.packaging.images import ImageSettings
from mlsandbox.packaging.package import Package
from mlsandbox.stack.spec import Environment, ModelEnvironment, ServiceEnvironment, ServiceSpec, StackSpec
from mlsandbox_serving.contract import PackageFile
from support.docker_stack import docker

PROJECT = "imagetest"
"""Of all projects of these tests: their images are called after it."""
LOG_STORE = ServiceEnvironment("log-store")


@dataclass
class Told:
    """What was reported, line by line."""

    lines: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.lines.append(text)

    def done(self, text: str, detail: str = "", seconds: float | None = None) -> None:  # noqa: ARG002 - of the protocol
        self.lines.append(f"{text} {detail}".strip())

    def note(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)


def settings(
    root: Path, overrides: Mapping[str, str], *, registry: str = "", ca: Path | None = None, project: str = PROJECT
) -> ImageSettings:
    """Of a project in `root`."""
    return ImageSettings(project, root, overrides, registry, ca, "")


def environment(package: Package) -> ModelEnvironment:
    """The environment of a package's services."""
    return ModelEnvironment(str(package.manifest["lock_digest"]), package.python_minor, package.source / PackageFile.LOCK)


def stack(*environments: Environment, package: Package | None = None) -> StackSpec:
    """A stack with a service for each environment; the package's is "api"."""
    services = [ServiceSpec(f"s{number}", each, ()) for number, each in enumerate(environments)]
    if package is not None:
        services.append(ServiceSpec("api", environment(package), (), package=package.tag))
    return StackSpec(PROJECT, "127.0.0.1", tuple(services))


def inspect(image: str) -> dict[str, Any]:
    """`docker inspect` of an image."""
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


def inside(image: str, *command: str) -> str:
    """What a command writes in a container as the stack runs one: read-only, with no capabilities, as the image's user."""
    entrypoint, *rest = command
    return docker(
        *("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),  # noqa: S108 - inside a container
        *("--network", "none", "--entrypoint", entrypoint, image, *rest),
    )


def remove_images(root: Path) -> None:
    """Remove the images of a project's models."""
    ids = docker("image", "ls", "--quiet", "--filter", f"label={OWNER}={owner_of(root)}").split()
    if ids:
        docker("image", "rm", "--force", *sorted(set(ids)))
