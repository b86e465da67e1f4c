"""`sandbox up --dry-run`: what would be done, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlsandbox.actions.deployment import Deployed, deployed_of
from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.materials import planned
from mlsandbox.actions.outcomes import PlannedStep, UpResult
from mlsandbox.actions.project_stack import baselines_of, parts_of, programs_on_path, registered, stack_of, stack_ports
from mlsandbox.actions.sight import Sight, look
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Desired
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project
from mlsandbox.registry import Registry
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.components.base import suffixed
from mlsandbox.stack.ports import Allocation, this_machine
from mlsandbox_serving.contract import Port


def planned_up(project: Project, engine: str, models: Sequence[ModelConfig], began: float) -> UpResult:
    """What `up` would do; nothing is written, started or asked for."""
    sight = look(project.root)
    found = [find_package(model, root=project.root) for model in models]
    steps = [PlannedStep("package", model.name, each.why) for model, each in zip(models, found, strict=True) if each.package is None]
    packages = [each.package for each in found if each.package is not None]
    if steps:
        changing = _of_models([model.name for model in models], [step.subject for step in steps])
        steps += [
            PlannedStep("restart", service.name, "its model changes")
            if service.name in changing
            else PlannedStep("keep", service.name, "no model of it changes")
            for service in sight.services
        ] or [PlannedStep("start", "the stack", "not running")]
    else:
        parts = parts_of(project, engine, programs_on_path())
        deployed = [deployed_of(project.root, package, sight.remembered) for package in packages]
        packages = [package for each in deployed for package in each.packages]
        ports = _planned_ports(project, engine, deployed, parts, sight).ports
        spec = stack_of(project, deployed, ports, parts, drift_engines(project, engine), baselines=baselines_of(project))
        desired = planned(project, engine, packages, spec)
        if isinstance(desired, Desired):
            runner = ENGINES[engine](project.root)
            plan = runner.plan(desired, runner.observe())
            steps = [PlannedStep(step.action.value, step.service, step.why) for step in plan.steps]
        else:
            steps = [PlannedStep("fetch", name, "not on this machine") for name in desired]
            steps.append(PlannedStep("start", "the stack", "with these images"))
    first = packages[0] if packages else None
    return UpResult(
        project=project.name,
        engine=engine,
        model=models[0].name,
        version=first.version if first else None,
        digest=first.digest if first else None,
        endpoints=sight.endpoints,
        services=sight.services,
        elapsed=time.monotonic() - began,
        plan=tuple(steps),
        dry_run=True,
    )


def _of_models(models: Sequence[str], changed: Sequence[str]) -> frozenset[str]:
    """The services that each model has of its own, of those that change."""
    return frozenset(suffixed(base, models, model) for model in changed for base in (Port.API, Port.SHIPPER))


def _planned_ports(project: Project, engine: str, deployed: Sequence[Deployed], parts: frozenset[str], sight: Sight) -> Allocation:
    entry, names = registered(project, engine, sight.remembered), stack_ports(deployed, parts)
    return Registry().choose(entry, names, pinned=project.stack.ports, running=sight.observed.ports, machine=this_machine())
