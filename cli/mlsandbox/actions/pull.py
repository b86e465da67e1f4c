"""Get everything that `up` needs onto this machine, so that it works without a network afterwards; nothing is started."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import DriftEngines, drift_engines, licence_notes, with_licence_told
from mlsandbox.actions.environments_beside import Interleaved
from mlsandbox.actions.materials import environments_beside, packaged, planned, supplied
from mlsandbox.actions.outcomes import PlannedStep, Report
from mlsandbox.actions.project_stack import parts_of, programs_on_path, stack_of, stack_ports
from mlsandbox.engines.base import Desired
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project
from mlsandbox.project_lock import project_lock
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.parts import DRIFT
from mlsandbox.stack.spec import StackSpec
from mlsandbox.state import load_state, save_state


@dataclass(frozen=True, slots=True)
class Supply:
    """One thing that a stack is made from: an image, or an environment of this machine."""

    kind: str
    """"image" or "environment"."""
    name: str
    """The image's name, or the environment's interpreter."""
    services: tuple[str, ...]
    """Which services are made from it."""
    id: str | None = None
    """Of an image: the digest of its configuration."""


@dataclass(frozen=True, slots=True)
class PullResult:
    """What is here now, or with `dry_run` what would be fetched and made."""

    project: str
    engine: str
    supplies: tuple[Supply, ...] = ()
    plan: tuple[PlannedStep, ...] = ()
    elapsed: float = 0.0
    """Seconds."""
    dry_run: bool = False


def pull(project: Project, engine: str, report: Report, *, trust: bool = False, dry_run: bool = False) -> PullResult:
    """Package the models, and fetch or make what the stack is made from.

    Args:
        project: its settings.
        engine: the name of the engine that is to run it.
        report: told what happens.
        trust: package models whose pickles use code outside the allow-list.
        dry_run: change nothing: the result holds the plan.

    Raises:
        UntrustedModel, CaptureStale, PackagingFailed, …: a model cannot be packaged.
        ImagePullFailed, ImageBuildFailed: an image cannot be had.
        EngineUnavailable: Docker does not answer.
    """
    began = time.monotonic()
    models = [replace(model, trust=model.trust or trust) for model in project.models.values()]
    if dry_run:
        return PullResult(project.name, engine, plan=_plan(project, engine, models), dry_run=True)
    with project_lock(project.state_dir, "sandbox pull", waiting=lambda who: report.note(f"waiting for {who}")):
        engines = drift_engines(project, engine)
        _tell_licence(project, engine, engines, report)
        with environments_beside(project, engine, engines, report) as environments:
            told = Interleaved(report, environments)
            packages = [packaged(model, project.root, told) for model in models]
            desired = supplied(project, engine, packages, _stack(project, engine, packages), told, environments=environments)
    return PullResult(project.name, engine, _supplies(desired), elapsed=time.monotonic() - began)


def _tell_licence(project: Project, engine: str, engines: DriftEngines, report: Report) -> None:
    """Say what alibi-detect may be used for before it is installed, once per project."""
    if DRIFT not in parts_of(project, engine, programs_on_path()):
        return
    loaded = load_state(project.state_dir)
    notes = licence_notes(engines, loaded.state.told)
    for note in notes:
        report.note(note)
    if notes and not loaded.problem:  # `up` sees to a state that cannot be read
        save_state(project.state_dir, replace(loaded.state, told=with_licence_told(engines, loaded.state.told)))


def _plan(project: Project, engine: str, models: Sequence[ModelConfig]) -> tuple[PlannedStep, ...]:
    found = [find_package(model, root=project.root) for model in models]
    packages = [each.package for each in found if each.package is not None]
    steps = [PlannedStep("package", model.name, each.why) for model, each in zip(models, found, strict=True) if each.package is None]
    if steps:  # which images there will be is not known before
        return (*steps, PlannedStep("fetch", "what the stack is made from", "as far as it is missing"))
    desired = planned(project, engine, packages, _stack(project, engine, packages))
    return () if isinstance(desired, Desired) else tuple(PlannedStep("fetch", name, "not on this machine") for name in desired)


def _stack(project: Project, engine: str, packages: Sequence[Package]) -> StackSpec:
    """The stack, with port numbers that nobody will use."""
    parts = parts_of(project, engine, programs_on_path())
    deployed = [Deployed(package) for package in packages]
    return stack_of(project, deployed, dict.fromkeys(stack_ports(deployed, parts), 0), parts, drift_engines(project, engine), baselines={})


def _supplies(desired: Desired) -> tuple[Supply, ...]:
    pythons = {environment: Supply("environment", str(Path(path)), ()) for environment, path in desired.pythons.items()}
    images = {environment: Supply("image", image.reference, (), image.id) for environment, image in desired.images.items()}
    users: dict[Supply, list[str]] = {}
    for service in desired.spec.services:
        supply = images.get(service.environment) or pythons.get(service.environment)
        if supply is not None:
            users.setdefault(supply, []).append(service.name)
    return tuple(replace(supply, services=tuple(names)) for supply, names in users.items())
