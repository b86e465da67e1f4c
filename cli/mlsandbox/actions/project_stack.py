"""The description of a project's stack, from its settings, its packages, its baselines and its ports; `up` and `up --dry-run` share it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import DriftEngines
from mlsandbox.packaging.baseline import Baseline, baseline_folder, read_baseline
from mlsandbox.packaging.images import ImageSettings
from mlsandbox.packaging.package import Package
from mlsandbox.project import Project
from mlsandbox.registry import Entry
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, direct_ports, port_names
from mlsandbox.stack.components.grafana import NATIVE_HOME
from mlsandbox.stack.parts import ALERTMANAGER, GRAFANA, NATIVE, chosen_parts
from mlsandbox.stack.spec import PackagedFile, ProjectFile, StackSpec
from mlsandbox.state import State
from mlsandbox_serving.contract import PackageFile

_ALSO_CALLED: Final = {ALERTMANAGER: ("prometheus-alertmanager",)}
"""What distributions call a program, besides its own name."""


def parts_of(project: Project, engine: str, programs: Collection[str]) -> frozenset[str]:
    """Names of the components that the project's stack has on this engine, given the programs of others that are on PATH."""
    return chosen_parts(engine, project.stack.profile, exclude=project.stack.exclude, programs=programs)


def stack_ports(deployed: Sequence[Deployed], parts: Collection[str]) -> tuple[str, ...]:
    """Names of all ports that a stack with these versions needs."""
    versions = {each.model: [package.version for package in each.packages] for each in deployed}
    return (*port_names(list(versions), parts), *direct_ports(versions))


def stack_of(
    project: Project,
    deployed: Sequence[Deployed],
    ports: Mapping[str, int],
    parts: frozenset[str],
    engines: DriftEngines,
    *,
    baselines: Mapping[str, Baseline],
) -> StackSpec:
    """The stack of these versions, at the ports of `stack_ports`, with the baselines that its models have."""
    models = [_models_of(project, each, baselines.get(each.model)) for each in deployed]
    return stack_of_models(project, models, ports, parts, engines, fronts=True)


def stack_of_models(
    project: Project,
    models: Sequence[ModelInputs],
    ports: Mapping[str, int],
    parts: frozenset[str],
    engines: DriftEngines,
    *,
    fronts: bool = False,
) -> StackSpec:
    """The same of models that are described already, whatever they are described by; with fronts versions change behind one address."""
    inputs = StackInputs(
        project=project.name,
        host=project.stack.host,
        models=tuple(models),
        ports=ports,
        parts=parts,
        fronts=fronts,
        api_keys=project.stack.asks_for_keys,
        log_inputs=project.log.inputs,
        log_retention_seconds=project.log.retention,
        spool_bytes=project.log.spool_size,
        max_rows_per_event=project.log.max_rows_per_event,
        drift_engines=engines.on,
        drift_engines_off=engines.off,
        drift_detectors=tuple(each.document for each in project.drift.detectors),
        drift_rows_between_false_alarms=project.drift.rows_between_false_alarms,
        drift_flag_rows=project.drift.flag_rows,
    )
    return build_stack(inputs)


def baseline_of(project: Project, model: str) -> Baseline | None:
    """What the project keeps for live rows of a model to be compared with, in place of its package's profile."""
    return read_baseline(baseline_folder(project, model))


def baselines_of(project: Project) -> Mapping[str, Baseline]:
    """Those that the project keeps, by model."""
    found = {name: baseline_of(project, name) for name in project.models}
    return {name: baseline for name, baseline in found.items() if baseline is not None}


def programs_on_path() -> Mapping[str, Path]:
    """The programs of others that the embedded engine uses, as far as they are installed.

    A Grafana without its files where its packages put them could not start, and does not count.
    """
    found = {name: next(filter(None, map(shutil.which, (name, *_ALSO_CALLED.get(name, ())))), None) for name in NATIVE}
    without = set() if (Path(NATIVE_HOME) / "conf" / "defaults.ini").is_file() else {GRAFANA}
    return {name: Path(path) for name, path in found.items() if path and name not in without}


def image_settings(project: Project) -> ImageSettings:
    """Where the project's container images come from."""
    stack = project.stack
    return ImageSettings(project.name, project.root, stack.images, stack.registry, stack.ca, stack.proxy)


def registered(project: Project, engine: str, remembered: State) -> Entry:
    """The stack as this machine's registry has it, with the ports that it had before."""
    return Entry(project.name, str(project.root.resolve()), engine, project.stack.host, remembered.ports)


def _models_of(project: Project, deployed: Deployed, baseline: Baseline | None) -> ModelInputs:
    beside = (replace(model_of_package(project, each.package, baseline), role=each.role, share=each.share) for each in deployed.beside)
    return replace(model_of_package(project, deployed.champion, baseline), beside=tuple(beside))


def model_of_package(project: Project, package: Package, baseline: Baseline | None) -> ModelInputs:
    """The model as a package has it."""
    return model_of_settings(
        project.models[package.model],
        version=package.version,
        package=package.tag,
        lock=package.source / PackageFile.LOCK,
        lock_digest=str(package.manifest["lock_digest"]),
        python=package.python_minor,
        profile=_profile(project, package, baseline),
    )


def model_of_settings(
    model: ModelConfig,
    *,
    version: str,
    package: str,
    profile: Mapping[str, PackagedFile | ProjectFile],
    lock: Path = Path(),
    lock_digest: str = "",
    python: str = "",
) -> ModelInputs:
    """The model as sandbox.toml has it, and what only its package or its image knows; see `ModelInputs`."""
    return ModelInputs(
        name=model.name,
        version=version,
        package=package,
        lock=lock,
        lock_digest=lock_digest,
        python=python,
        workers=model.serving.workers,
        max_body_bytes=model.serving.max_body,
        max_rows=model.serving.max_rows,
        timeout_seconds=model.serving.timeout,
        max_concurrency=model.serving.max_concurrency,
        memory_bytes=model.serving.memory,
        has_hashed_columns=bool(model.hashed),
        latency_p95_seconds=model.slo.latency_p95,
        availability=model.slo.availability,
        profile=profile,
    )


def _profile(project: Project, package: Package, baseline: Baseline | None) -> Mapping[str, PackagedFile | ProjectFile]:
    """The baseline of the project when it was made with this very model, else what was packaged."""
    if baseline is not None and not baseline.unfit(package):
        return {file.name: ProjectFile(file.relative_to(project.root).as_posix()) for file in baseline.files}
    bento = package.source.relative_to(package.bento_path)
    return {Path(name).name: PackagedFile(package.tag, str(bento / name)) for name in package.profile_files}
