"""The description of a project's stack, from its settings, its packages and its ports (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack
from mlsandbox.stack.spec import StackSpec
from mlsandbox_serving.contract import PackageFile


def stack_of(project: Project, packages: Sequence[Package], ports: Mapping[str, int]) -> StackSpec:
    """The stack that serves these packages, one per model of the project, at these ports."""
    inputs = StackInputs(
        project=project.name,
        host=project.stack.host,
        models=tuple(_model_inputs(package, project.models[package.model]) for package in packages),
        ports=ports,
        log_inputs=project.log.inputs,
        log_retention_seconds=project.log.retention,
        spool_bytes=project.log.spool_size,
        max_rows_per_event=project.log.max_rows_per_event,
    )
    return build_stack(inputs)


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
    )
