"""Text of what `promote`, `rollback`, `deploy` and `retire` did to versions."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.actions.deploy import DeployResult
from mlsandbox.actions.outcomes import PlannedStep
from mlsandbox.actions.retire import RetireResult
from mlsandbox.actions.switching import SwitchResult
from mlsandbox.output import Paint
from mlsandbox.views.tables import span
from mlsandbox.views.up import smoke_text


def switch_text(result: SwitchResult, command: str, paint: Paint, *, several: bool) -> str:
    """Which version answers now, for how long both might have, and how to undo it.

    Args:
        result: of the switch.
        command: "promote" or "rollback".
        paint: of standard output.
        several: the project has other models, so that commands must name this one.
    """
    if result.unchanged:
        return f"{result.model} {result.version} answers already: nothing to do   ({result.elapsed:.1f}s)"
    if result.dry_run:
        return dry_run_text(result.project, f"sandbox {command}", result.plan)
    former = f"{result.former}, which stays warm: going back takes no start" if result.warm else f"{result.former}, which was stopped"
    ran = "it was started for it" if result.started else "it ran already"
    took = f" · switched in {result.milliseconds:.0f} ms" if result.milliseconds is not None else ""
    undo = "sandbox rollback" if command == "promote" else f"sandbox promote {result.former}"
    model = f" --model {result.model}" if several else ""
    lines = [
        f"  {paint.strong(f'{result.model} {result.version} answers')} · {span(result.elapsed)}",
        "",
        f"  {'Answers':<11} {result.version}, {ran}{took}",
        f"  {'Before':<11} {former}",
        f"  {'API':<11} {paint.hint(result.url)}",
    ]
    if result.forced:
        lines.append(f"  {'Gate':<11} refused it, and was overruled; the ledger says so")
    return "\n".join([*lines, "", f"  Undo  {undo}{model}"])


def deploy_text(result: DeployResult, paint: Paint, *, several: bool) -> str:
    """What the challenger gets, and how to look at it."""
    if result.dry_run:
        return dry_run_text(result.project, "sandbox deploy", result.plan)
    gets = (
        f"a copy of every request; its answers go nowhere, and {result.champion} answers"
        if result.shadow
        else f"{result.percent:g}% of the requests, which it answers; {result.champion} answers the others"
    )
    smoke = smoke_text(result.smoke)
    model = f" --model {result.model}" if several else ""
    return "\n".join(
        [
            f"  {paint.strong(f'{result.model} {result.version} is tried beside {result.champion}')} · {span(result.elapsed)}",
            "",
            f"  {'Gets':<11} {gets}",
            *([f"  {'Prediction':<11} {smoke}"] if smoke else []),
            f"  {'API':<11} {paint.hint(result.url)}",
            "",
            "  Look  sandbox status",
            f"        sandbox diff {result.champion} {result.version} --from-logs 1h{model}",
            f"  Next  sandbox promote {result.version}{model}    it answers from then on",
            f"        sandbox retire {result.version}{model}     it stops",
        ]
    )


def retire_text(result: RetireResult) -> str:
    """That it does not run any more."""
    if result.dry_run:
        return dry_run_text(result.project, "sandbox retire", result.plan)
    return f"{result.model} {result.version} ({result.role}) was stopped; {result.champion} answers as before   ({result.elapsed:.1f}s)"


def dry_run_text(project: str, command: str, plan: Sequence[PlannedStep]) -> str:
    """What a command would do to each version."""
    rows = [f"  {step.action:<9} {step.subject}: {step.why}" for step in plan]
    return "\n".join([f"Dry run of {project}: nothing was changed. {command} would", *(rows or ["  do nothing"])])
