"""`sandbox up --dry-run`: what would be done, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlsandbox.actions.champions import choose, last_champions
from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.materials import planned
from mlsandbox.actions.outcomes import PlannedStep, UpOptions, UpResult
from mlsandbox.actions.project_stack import baselines_of, parts_of, programs_on_path, registered, stack_of, stack_ports
from mlsandbox.actions.sight import Sight, look
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Desired
from mlsandbox.ledger import Ledger
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project
from mlsandbox.registry import Registry
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.components.base import suffixed
from mlsandbox.stack.ports import Allocation, this_machine
from mlsandbox_serving.contract import Port


def planned_up(project: Project, engine: str, models: Sequence[ModelConfig], options: UpOptions, began: float) -> UpResult:
    """What `up` would do; nothing is written, started or asked for."""
    sight = look(project.root)
    notes: tuple[str, ...] = ()
    found = [find_package(model, root=project.root) for model in models]
    steps = [PlannedStep("package", model.name, each.why) for model, each in zip(models, found, strict=True) if each.package is None]
    packages = [each.package for each in found if each.package is not None]
    if steps:
        steps += _around(sight, [model.name for model in models], [step.subject for step in steps])
    else:
        parts = parts_of(project, engine, programs_on_path())
        last = last_champions(Ledger(project.state_dir).read())
        chosen = choose(project.root, packages, sight.remembered, last, runs=sight.observed.running, warm=options.warm, reason="")
        deployed, notes = chosen.deployed, chosen.notes
        packages = [package for each in deployed for package in each.packages]
        ports = _planned_ports(project, engine, deployed, parts, sight).ports
        spec = stack_of(project, deployed, ports, parts, drift_engines(project, engine), baselines=baselines_of(project))
        desired = planned(project, engine, packages, spec)
        if isinstance(desired, Desired):
            runner = ENGINES[engine](project.root)
            plan = runner.plan(desired, runner.observe())
            steps = [PlannedStep("switch", move.front, f"from {move.former} to {move.service}") for move in plan.moves]
            steps += [PlannedStep(step.action.value, step.service, step.why) for step in plan.steps]
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
        notes=notes,
        dry_run=True,
    )


def _around(sight: Sight, models: Sequence[str], changed: Sequence[str]) -> list[PlannedStep]:
    """What happens to what runs when models get versions that are not packaged yet."""
    if not sight.services:
        return [PlannedStep("start", "the stack", "not running")]
    fronts = {suffixed(Port.API, models, model) for model in changed}
    former = {front.service: front.name for front in sight.observed.fronts if front.name in fronts}
    restarted = {suffixed(Port.SHIPPER, models, model) for model in changed}
    steps = [PlannedStep("switch", front, f"from {service} to the new version, once that answers") for service, front in former.items()]
    for service in sight.services:
        if service.name in former:
            steps.append(PlannedStep("stop", service.name, "the new version answers in its place"))
        elif service.name in restarted:
            steps.append(PlannedStep("restart", service.name, "its model changes"))
        else:
            steps.append(PlannedStep("keep", service.name, "no model of it changes"))
    return steps


def _planned_ports(project: Project, engine: str, deployed: Sequence[Deployed], parts: frozenset[str], sight: Sight) -> Allocation:
    entry, names = registered(project, engine, sight.remembered), stack_ports(deployed, parts)
    return Registry().choose(entry, names, pinned=project.stack.ports, running=sight.observed.ports, machine=this_machine())
