"""Give the drift service of a running stack another reference, and leave everything else as it runs."""

from __future__ import annotations

from typing import Final

from mlsandbox.actions.deployment import deployed_of
from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.materials import planned
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.predict import served_package
from mlsandbox.actions.project_stack import baselines_of, parts_of, programs_on_path, stack_of, stack_ports
from mlsandbox.actions.sight import Sight, look
from mlsandbox.actions.verdicts import verdict
from mlsandbox.engines.base import Action, Desired, Observed, Plan, Result
from mlsandbox.project import Project
from mlsandbox.stack.components.drift import NAME as DRIFT
from mlsandbox.supervise.transition import State

TIMEOUT_SECONDS: Final = 120.0
_LATER: Final = "it is used from the next `sandbox up` on"


def hand_over(project: Project, looked: Sight, report: Report) -> str:
    """Start the drift service anew with what the project keeps now.

    Args:
        project: its settings, and its baselines.
        looked: what was looked at before the reference was made.
        report: told what is done.

    Returns:
        What became of it, in words.

    Raises:
        ServiceCrashed, StackNotReady, …: the service did not become ready; what ran before runs again.
    """
    sight = look(project.root)
    if not sight.observed.running:
        return f"the stack is not running: {_LATER}"
    if not same_stack(looked, sight):
        return f"the stack was started anew meanwhile: {_LATER}"
    if sight.observed.service(DRIFT) is None:
        return f"this stack does not watch for drift: {_LATER}"
    desired = _desired(project, sight)
    if desired is None:
        return f"the project has changed since it was started: {_LATER}"
    plan = sight.engine.plan(desired, sight.observed)
    obstacle = other_changes(plan, sight.observed)
    if obstacle:
        return f"{obstacle}: {_LATER}"
    report.step("Giving it to the drift service")
    outcome = sight.engine.apply(plan, lambda _: None, timeout=TIMEOUT_SECONDS)
    if outcome.result is not Result.READY:
        raise verdict(outcome, seconds=TIMEOUT_SECONDS)
    report.done("The drift service compares with it")
    return "the drift service compares with it"


def other_changes(plan: Plan, observed: Observed) -> str:
    """What would change beside the drift service, in words; empty when nothing would."""
    others = [step for step in plan.changes if step.service != DRIFT]
    stopped, failed, changed = [], [], []
    for step in others:
        service = observed.service(step.service)
        if step.action is Action.START and (service is None or service.state is State.STOPPED):
            stopped.append(step.service)
        elif service is not None and service.state in {State.FAILED, State.REFUSED}:
            failed.append(step.service)
        else:
            changed.append(step.service)
    told = {"not running": stopped, "in trouble, see `sandbox status`": failed}
    words = [f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in told.items() if names]
    words += [f"other settings have changed too ({', '.join(changed)})"] if changed else []
    return "; ".join(words)


def same_stack(looked: Sight, now: Sight) -> bool:
    """Whether the same versions answer, in the same stack."""
    known = [(each.observed.running, each.observed.stack_id, each.engine.name, dict(each.remembered.served)) for each in (looked, now)]
    return known[0] == known[1]


def _desired(project: Project, sight: Sight) -> Desired | None:
    """What runs, with the reference of now; None when it cannot be told from what is remembered."""
    engine, remembered = sight.engine.name, sight.remembered
    packages = [served_package(project, name, remembered.served.get(name)) for name in project.models if name in remembered.served]
    parts = parts_of(project, engine, programs_on_path())
    deployed = [deployed_of(project.root, package, remembered) for package in packages]
    if len(packages) < len(project.models) or not set(stack_ports(deployed, parts)) <= remembered.ports.keys():
        return None
    packages = [package for each in deployed for package in each.packages]
    spec = stack_of(project, deployed, remembered.ports, parts, drift_engines(project, engine), baselines=baselines_of(project))
    desired = planned(project, engine, packages, spec)
    return desired if isinstance(desired, Desired) else None
