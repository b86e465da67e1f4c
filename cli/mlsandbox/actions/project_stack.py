"""The description of a project's stack, from its settings, its packages and its ports (pure); `up` and `up --dry-run` share it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from mlsandbox.actions.engine_choice import choose_engine
from mlsandbox.engines.base import Desired
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.registry import Entry
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack
from mlsandbox.stack.parts import NATIVE, chosen_parts
from mlsandbox.stack.spec import Environment, ServiceEnvironment, StackSpec
from mlsandbox.state import State
from mlsandbox_serving.contract import PackageFile


def parts_of(project: Project, engine: str, programs: Collection[str]) -> frozenset[str]:
    """Names of the components that the project's stack has on this engine, given the programs of others that are on PATH."""
    return chosen_parts(engine, project.stack.profile, exclude=project.stack.exclude, programs=programs)


def stack_of(project: Project, packages: Sequence[Package], ports: Mapping[str, int], parts: frozenset[str]) -> StackSpec:
    """The stack that serves these packages, one per model of the project, at these ports."""
    inputs = StackInputs(
        project=project.name,
        host=project.stack.host,
        models=tuple(_model_inputs(package, project.models[package.model]) for package in packages),
        ports=ports,
        parts=parts,
        log_inputs=project.log.inputs,
        log_retention_seconds=project.log.retention,
        spool_bytes=project.log.spool_size,
        max_rows_per_event=project.log.max_rows_per_event,
    )
    return build_stack(inputs)


def programs_on_path() -> Mapping[str, Path]:
    """The programs of others that the embedded engine uses, as far as they are installed."""
    found = {name: shutil.which(name) for name in NATIVE}
    return {name: Path(path) for name, path in found.items() if path}


def desired_stack(
    project: Project,
    packages: Sequence[Package],
    ports: Mapping[str, int],
    service_python: Callable[[str], Path],
    programs: Mapping[str, Path],
) -> Desired:
    """The stack as child processes, and where all that it refers to lies.

    Args:
        project: its settings.
        packages: one per model.
        ports: a number for each name.
        service_python: the interpreter of one of our own services ("log-store").
        programs: the programs of others that are used, by name.
    """
    spec = stack_of(project, packages, ports, parts_of(project, "embedded", programs))
    by_tag = {package.tag: package for package in packages}
    pythons: dict[Environment, Path] = {}
    for service in spec.services:
        if isinstance(service.environment, ServiceEnvironment):
            pythons[service.environment] = service_python(service.environment.name)
        elif service.package is not None:
            pythons[service.environment] = by_tag[service.package].python
    return Desired(spec, pythons, {tag: package.bento_path for tag, package in by_tag.items()}, programs)


def registered(project: Project, remembered: State) -> Entry:
    """The stack as this machine's registry has it, with the ports that it had before."""
    return Entry(project.name, str(project.root.resolve()), choose_engine(project).name, project.stack.host, remembered.ports)


def _model_inputs(package: Package, model: ModelConfig) -> ModelInputs:
    return ModelInputs(
        name=package.model,
        version=package.version,
        package=package.tag,
        lock=package.source / PackageFile.LOCK,
        lock_digest=str(package.manifest["lock_digest"]),
        python=package.python_minor,
        workers=model.serving.workers,
        max_body_bytes=model.serving.max_body,
        max_rows=model.serving.max_rows,
        has_hashed_columns=bool(model.hashed),
        latency_p95_seconds=model.slo.latency_p95,
        availability=model.slo.availability,
    )
