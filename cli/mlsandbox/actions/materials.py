"""What a stack is made from on this machine: environments and programs for child processes, images for containers."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.actions.engine_choice import DOCKER
from mlsandbox.actions.environments_beside import EnvironmentsBeside
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.project_stack import image_settings, parts_of, programs_on_path
from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.base import Desired
from mlsandbox.errors import DiskFull, PackagingFailed
from mlsandbox.packaging.environments import service_python
from mlsandbox.packaging.images import find_images, supply_images
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.store import package_model
from mlsandbox.project import Project
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.components.drift import drift_environment
from mlsandbox.stack.parts import DRIFT, LOG_STORE
from mlsandbox.stack.spec import Environment, ServiceEnvironment, StackSpec

_SAID: Final = 300
"""Characters; a program may name every file that found no room."""


def packaged(model: ModelConfig, root: Path, report: Report) -> Package:
    """The package of a model as it is now, and what was done about it told.

    Raises:
        DiskFull: there is no room for it.
        UntrustedModel, CaptureStale, PackagingFailed, …: see `package_model`.
    """
    began = time.monotonic()
    report.step(f"Packaging {model.name}")
    try:
        package = package_model(model, root=root, report=report.note)
    except PackagingFailed as error:
        raise full_disk(error) or error from error
    detail = package.digest[:19] if package.created else "unchanged"
    report.done(f"Packaged {model.name} {package.version}", detail, time.monotonic() - began)
    return package


def full_disk(error: PackagingFailed) -> DiskFull | None:
    """The disk that was full for a program that packages, by what it wrote last (pure); None: it failed for something else."""
    said = next((line.strip() for line in reversed(error.why.splitlines()) if os.strerror(errno.ENOSPC) in line), None)
    if said is None:
        return None
    return DiskFull(
        f"{error.what}: the disk is full",
        why=said if len(said) <= _SAID else f"{said[:_SAID]} …",
        fix="make room, then do the same again; how much there is: sandbox doctor",
        details=error.details,
    )


def environments_beside(project: Project, engine: str, engines: DriftEngines, report: Report) -> EnvironmentsBeside:
    """The environments of the services that a project's stack will have, being built; none where containers bring theirs along."""
    if engine == DOCKER:
        return EnvironmentsBeside((), report)
    parts = parts_of(project, engine, programs_on_path())
    wanted = {LOG_STORE: LOG_STORE, DRIFT: drift_environment(engines.on)}
    return EnvironmentsBeside([environment for part, environment in wanted.items() if part in parts], report)


def supplied(
    project: Project, engine: str, packages: Sequence[Package], spec: StackSpec, report: Report, *, environments: EnvironmentsBeside
) -> Desired:
    """The stack with all that it is made from; what is missing is made or fetched.

    Raises:
        ImagePullFailed, ImageBuildFailed, PackagingFailed: it cannot be had.
    """
    by_tag = {package.tag: package for package in packages}
    if engine == DOCKER:
        return _containers(spec, by_tag, supply_images(spec, by_tag, image_settings(project), report), project.stack.proxy)
    return _processes(spec, by_tag, environments.python)


def planned(project: Project, engine: str, packages: Sequence[Package], spec: StackSpec) -> Desired | tuple[str, ...]:
    """The same when all of it is there, else the names of the images that `supplied` would make or fetch; changes nothing."""
    by_tag = {package.tag: package for package in packages}
    if engine == DOCKER:
        found = find_images(spec, by_tag, image_settings(project))
        return found.missing or _containers(spec, by_tag, found.images, project.stack.proxy)
    return _processes(spec, by_tag, service_python)


def _containers(spec: StackSpec, packages: Mapping[str, Package], images: Mapping[Environment, ImageRef], proxy: str) -> Desired:
    return Desired(spec, {}, _folders(packages), images=images, proxy=proxy)


def _processes(spec: StackSpec, packages: Mapping[str, Package], service_python: Callable[[str], Path]) -> Desired:
    pythons: dict[Environment, Path] = {}
    for service in spec.services:
        if isinstance(service.environment, ServiceEnvironment):
            pythons[service.environment] = service_python(service.environment.name)
        elif service.package is not None:
            pythons[service.environment] = packages[service.package].python
    return Desired(spec, pythons, _folders(packages), programs_on_path())


def _folders(packages: Mapping[str, Package]) -> dict[str, Path]:
    return {tag: package.bento_path for tag, package in packages.items()}
