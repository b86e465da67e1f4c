"""`sandbox up --dry-run`: what would be done, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlsandbox.actions.engine_choice import choose_engine
from mlsandbox.actions.outcomes import PlannedStep, UpResult
from mlsandbox.actions.project_stack import desired_stack, parts_of, programs_on_path, registered
from mlsandbox.actions.sight import Sight, look
from mlsandbox.packaging.environments import service_python
from mlsandbox.packaging.package import Package
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project
from mlsandbox.registry import Registry
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.build import port_names
from mlsandbox.stack.ports import Allocation, this_machine


def planned_up(project: Project, models: Sequence[ModelConfig], began: float) -> UpResult:
    """What `up` would do; nothing is written, started or asked for."""
    sight = look(project.root)
    found = [find_package(model, root=project.root) for model in models]
    steps = [PlannedStep("package", model.name, each.why) for model, each in zip(models, found, strict=True) if each.package is None]
    packages = [each.package for each in found if each.package is not None]
    if steps:
        names = [service.name for service in sight.services]
        steps += [PlannedStep("restart", name, "a model changes") for name in names] or [PlannedStep("start", "the stack", "not running")]
    else:
        programs = programs_on_path()
        ports = _planned_ports(project, packages, parts_of(project, "embedded", programs), sight).ports
        desired = desired_stack(project, packages, ports, service_python, programs)
        plan = sight.engine.plan(desired, sight.observed)
        steps = [PlannedStep(step.action.value, step.service, step.why) for step in plan.steps]
    first = packages[0] if packages else None
    return UpResult(
        project=project.name,
        engine=choose_engine(project).name,
        model=models[0].name,
        version=first.version if first else None,
        digest=first.digest if first else None,
        endpoints=sight.endpoints,
        services=sight.services,
        elapsed=time.monotonic() - began,
        plan=tuple(steps),
        dry_run=True,
    )


def _planned_ports(project: Project, packages: Sequence[Package], parts: frozenset[str], sight: Sight) -> Allocation:
    entry, names = registered(project, sight.remembered), port_names([package.model for package in packages], parts)
    return Registry().choose(entry, names, pinned=project.stack.ports, running=sight.observed.ports, machine=this_machine())
