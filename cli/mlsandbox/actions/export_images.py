"""The images of an export, pushed to a registry: those of the models, of the drift service, of the log and its setup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.materials import packaged
from mlsandbox.actions.outcomes import PlannedStep, Report
from mlsandbox.actions.project_stack import image_settings, stack_of, stack_ports
from mlsandbox.docker_host import ImageRef
from mlsandbox.errors import UsageError
from mlsandbox.packaging.image_push import push_image
from mlsandbox.packaging.images import supply_images
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.project_lock import project_lock
from mlsandbox.render.kubernetes.names import image_key
from mlsandbox.stack.components.drift import drift_environment
from mlsandbox.stack.parts import DRIFT, ELASTICSEARCH, FLUENTD, LOG_STORE, MODEL, SHIPPER
from mlsandbox.stack.spec import ModelEnvironment, ServiceEnvironment, ServiceSpec, StackSpec
from mlsandbox_serving.contract import DriftEngine

_PARTS: Final = frozenset({MODEL, SHIPPER, DRIFT, FLUENTD, ELASTICSEARCH})
_REGISTRY: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9])[A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*/?")
_TOP_LEVEL: Final = re.compile(r"[^/]*[.:]|localhost")


def push_images(project: Project, registry: str, report: Report, *, alibi: bool) -> Mapping[str, str]:
    """Package the models, make all images, push them.

    Args:
        project: its settings.
        registry: a registry and a folder in it, "registry.example.com/team".
        report: told what happens.
        alibi: whether the drift service is the one with alibi-detect.

    Returns:
        By key of `ExportFacts.images` the name with the digest that the registry gave it.

    Raises:
        UsageError: that is no registry.
        UntrustedModel, CaptureStale, PackagingFailed, …: a model cannot be packaged.
        ImagePullFailed, ImageBuildFailed, ImagePushFailed: an image cannot be had, or not be handed on.
        EngineUnavailable: Docker does not answer.
    """
    place = checked(registry)
    with project_lock(project.state_dir, "sandbox export", waiting=lambda who: report.note(f"waiting for {who}")):
        packages = [packaged(model, project.root, report) for model in project.models.values()]
        spec = _stack(project, packages, alibi=alibi)
        images = supply_images(spec, {each.tag: each for each in packages}, image_settings(project), report)
        wanted: dict[str, tuple[ImageRef, str]] = {}
        for service in spec.services:
            image = images[service.environment]
            wanted[image_key(service)] = (image, pushed_name(place, project.name, service, image))
        return {key: push_image(image, name, report) for key, (image, name) in wanted.items()}


def planned_pushes(project: Project, registry: str, *, alibi: bool) -> tuple[PlannedStep, ...]:
    """What `push_images` would do."""
    place = checked(registry)
    models = [PlannedStep("push", f"{place}/{_repository(project.name, name)}", "the image of its model") for name in project.models]
    services = (drift_environment(_engines(project, alibi=alibi)), FLUENTD, LOG_STORE)
    return (*models, *(PlannedStep("push", f"{place}/{name}", "the image of the service") for name in services))


def checked(registry: str) -> str:
    """A registry's name without a slash at its end.

    Raises:
        UsageError: it is none.
    """
    if not _REGISTRY.fullmatch(registry) or not _TOP_LEVEL.match(registry):
        raise UsageError(
            f"--to-registry {registry} is no registry",
            why='It is a host, with a port if need be, and a folder: "registry.example.com/team", without "https://".',
            fix="write it as in: sandbox export k8s --to-registry registry.example.com/team",
        )
    return registry.rstrip("/")


def pushed_name(place: str, project: str, service: ServiceSpec, image: ImageRef) -> str:
    """What an image is called in the registry: its version or the digest of its content is its tag."""
    tag = image.reference.rpartition("/")[2].rpartition(":")[2]
    if isinstance(service.environment, ModelEnvironment):
        return f"{place}/{_repository(project, image_key(service))}:{tag}"
    return f"{place}/{image_key(service)}:{tag}"


def _repository(project: str, model: str) -> str:
    """Part of an image's name, which may not end with a hyphen."""
    return f"{project}-{model}".rstrip("-")


def _engines(project: Project, *, alibi: bool) -> tuple[str, ...]:
    wanted = alibi and DriftEngine.ALIBI in project.drift.engines
    return (DriftEngine.NATIVE, DriftEngine.ALIBI) if wanted else (DriftEngine.NATIVE,)


def _stack(project: Project, packages: list[Package], *, alibi: bool) -> StackSpec:
    """The services whose images we make, with port numbers that nobody will use."""
    deployed = [Deployed(package) for package in packages]
    ports = dict.fromkeys(stack_ports(deployed, _PARTS), 0)
    spec = stack_of(project, deployed, ports, _PARTS, DriftEngines(_engines(project, alibi=alibi)), baselines={})
    own = tuple(
        each for each in spec.services if isinstance(each.environment, ModelEnvironment | ServiceEnvironment) or each.name == FLUENTD
    )
    return replace(spec, services=own)
