"""Give the drift service of a running stack another reference, and leave everything else as it runs."""

from __future__ import annotations

from typing import Final

from mlsandbox.actions.drift_engines import drift_engines
from mlsandbox.actions.materials import planned
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.predict import served_package
from mlsandbox.actions.project_stack import parts_of, programs_on_path, stack_of
from mlsandbox.actions.sight import Sight
from mlsandbox.actions.verdicts import verdict
from mlsandbox.engines.base import Desired, Result
from mlsandbox.project import Project
from mlsandbox.stack.build import port_names
from mlsandbox.stack.components.drift import NAME as DRIFT

TIMEOUT_SECONDS: Final = 120.0
_LATER: Final = "it is used from the next `sandbox up` on"


def hand_over(project: Project, sight: Sight, report: Report) -> str:
    """Start the drift service anew with what the project keeps now.

    Args:
        project: its settings, and its baselines.
        sight: of its stack.
        report: told what is done.

    Returns:
        What became of it, in words.

    Raises:
        ServiceCrashed, StackNotReady, …: the service did not become ready; what ran before runs again.
    """
    if not sight.observed.running:
        return f"the stack is not running: {_LATER}"
    if sight.observed.service(DRIFT) is None:
        return f"this stack does not watch for drift: {_LATER}"
    desired = _desired(project, sight)
    if desired is None:
        return f"the project has changed since it was started: {_LATER}"
    plan = sight.engine.plan(desired, sight.observed)
    others = [step.service for step in plan.changes if step.service != DRIFT]
    if others:
        return f"other settings have changed too ({', '.join(others)}): {_LATER}"
    report.step("Giving it to the drift service")
    outcome = sight.engine.apply(plan, lambda _: None, timeout=TIMEOUT_SECONDS)
    if outcome.result is not Result.READY:
        raise verdict(outcome, seconds=TIMEOUT_SECONDS)
    report.done("The drift service compares with it")
    return "the drift service compares with it"


def _desired(project: Project, sight: Sight) -> Desired | None:
    """What runs, with the reference of now; None when it cannot be told from what is remembered."""
    engine, remembered = sight.engine.name, sight.remembered
    packages = [served_package(project, name, remembered.served.get(name)) for name in project.models if name in remembered.served]
    parts = parts_of(project, engine, programs_on_path())
    names = port_names([package.model for package in packages], parts)
    if len(packages) < len(project.models) or not set(names) <= remembered.ports.keys():
        return None
    spec = stack_of(project, packages, remembered.ports, parts, drift_engines(project, engine))
    desired = planned(project, engine, packages, spec)
    return desired if isinstance(desired, Desired) else None
