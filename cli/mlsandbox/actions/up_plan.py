"""`sandbox up --dry-run`: what would be done, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlsandbox.actions.champions import choose, last_champions
from mlsandbox.actions.change_plan import planned_change
from mlsandbox.actions.outcomes import PlannedStep, UpOptions, UpResult
from mlsandbox.actions.sight import Sight, look
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Plan
from mlsandbox.ledger import Ledger
from mlsandbox.packaging.store import find_package
from mlsandbox.project import Project
from mlsandbox.settings import ModelConfig
from mlsandbox.stack.components.base import suffixed
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
        last = last_champions(Ledger(project.state_dir).read())
        chosen = choose(project.root, packages, sight.remembered, last, runs=sight.observed.running, warm=options.warm, reason="")
        deployed, notes = chosen.deployed, chosen.notes
        packages = [package for each in deployed for package in each.packages]
        plan = planned_change(project, engine, deployed, ENGINES[engine](project.root).observe(), sight.remembered)
        if isinstance(plan, Plan):
            steps = [PlannedStep("switch", move.front, f"from {move.former} to {move.service}") for move in plan.moves]
            steps += [PlannedStep(step.action.value, step.service, step.why) for step in plan.steps]
        else:
            steps = [PlannedStep("fetch", name, "not on this machine") for name in plan]
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
