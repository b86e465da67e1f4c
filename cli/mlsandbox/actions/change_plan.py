"""What the engine would do to make a running stack another one, before anything of it is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from mlsandbox.actions.deployment import Deployed
from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.materials import planned
from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.actions.project_stack import baselines_of, parts_of, programs_on_path, registered, stack_of, stack_ports
from mlsandbox.engines import ENGINES
from mlsandbox.engines.base import Action, Desired, Observed, Plan, Step
from mlsandbox.project import Project
from mlsandbox.registry import Registry
from mlsandbox.stack.components.base import suffixed, versioned
from mlsandbox.stack.ports import this_machine
from mlsandbox.state import State
from mlsandbox_serving.contract import Port

_DONE: Final = {Action.START: "started", Action.RESTART: "restarted", Action.STOP: "stopped"}
_DUE: Final = "not about versions: due since the last sandbox up"


def planned_change(
    project: Project, engine: str, deployed: Sequence[Deployed], observed: Observed, remembered: State
) -> Plan | tuple[str, ...]:
    """What would be done so that these versions run, one `Deployed` per model; nothing is written, built or fetched.

    Returns:
        The plan; or the names of the images that would have to be made or fetched first.
    """
    parts = parts_of(project, engine, programs_on_path())
    entry, names = registered(project, engine, remembered), stack_ports(deployed, parts)
    ports = Registry().choose(entry, names, pinned=project.stack.ports, running=observed.ports, machine=this_machine()).ports
    spec = stack_of(project, deployed, ports, parts, drift_engines(project, engine), baselines=baselines_of(project))
    packages = [package for each in deployed for package in each.packages]
    desired = planned(project, engine, packages, spec)
    return ENGINES[engine](project.root).plan(desired, observed) if isinstance(desired, Desired) else desired


def due_anyway(project: Project, engine: str, deployed: Sequence[Deployed], observed: Observed, remembered: State) -> tuple[Step, ...]:
    """What would be done although the same versions run as now: settings, or variables of the shell, are not those of the last `up`."""
    plan = planned_change(project, engine, deployed, observed, remembered)
    return plan.changes if isinstance(plan, Plan) else ()


def version_services(project: Project, each: Deployed) -> Mapping[str, str]:
    """For each version of a model that runs its service."""
    front = suffixed(Port.API, list(project.models), each.model)
    return {package.version: versioned(front, package.version) for package in each.packages}


def due_notes(due: Sequence[Step], leaving: Collection[str]) -> tuple[str, ...]:
    """That services are restarted which have nothing to do with a change of versions (pure).

    Args:
        due: what would be done without the change.
        leaving: services that stop with the change anyway.
    """
    by_action = {action: [step for step in due if step.action is action and step.service not in leaving] for action in _DONE}
    return tuple(
        f"also {_DONE[action]}, which is not about versions: {', '.join(f'{step.service} ({step.why})' for step in steps)}"
        for action, steps in by_action.items()
        if steps
    )


def change_steps(
    plan: Plan | tuple[str, ...], due: Sequence[Step], lineup: Sequence[PlannedStep], services: Mapping[str, str]
) -> tuple[PlannedStep, ...]:
    """What is shown of a change: each move and step of the engine, in the words of what becomes of a version where there are any (pure).

    Args:
        plan: of the engine; or images that are missing.
        due: what would be done without the change.
        lineup: what becomes of each version.
        services: for each version its service.
    """
    if not isinstance(plan, Plan):
        return (*(PlannedStep("fetch", name, "not on this machine") for name in plan), *lineup)
    words = {(step.action, services[step.subject]): step.why for step in lineup if step.subject in services}
    before = {(step.action, step.service) for step in due}

    def why(step: Step) -> str:
        said = words.get((step.action.value, step.service), step.why)
        return f"{step.why} ({_DUE})" if (step.action, step.service) in before else said

    moves = (PlannedStep("switch", move.front, f"from {move.former}, which answers until then, to {move.service}") for move in plan.moves)
    return (*moves, *(PlannedStep(step.action.value, step.service, why(step)) for step in plan.steps))
