"""`sandbox retire`: a version that runs beside the champion stops."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mlsandbox.actions.bring import Intent, bring, running, steps_of
from mlsandbox.actions.lineup import check_retired, chosen_model, lineup_steps, replaced, without
from mlsandbox.actions.outcomes import PlannedStep, Report, UpOptions
from mlsandbox.actions.switching import locked_unless
from mlsandbox.ledger import Action
from mlsandbox.project import Project


@dataclass(frozen=True, slots=True)
class RetireResult:
    """A version that does not run any more (or, with `dry_run`, would not)."""

    project: str
    model: str
    version: str
    role: str
    """What it did: "challenger" or "standby"."""
    champion: str
    """The version that answers, then as now."""
    plan: tuple[PlannedStep, ...] = ()
    elapsed: float = 0.0
    """Seconds."""
    dry_run: bool = False


def retire(
    project: Project,
    version: str,
    model: str | None,
    report: Report,
    *,
    reason: str = "",
    timeout: float | None = None,
    dry_run: bool = False,
) -> RetireResult:
    """Stop a version that runs beside the champion.

    Args:
        project: its settings.
        version: which.
        model: its model; None: the only one.
        report: told what happens.
        reason: for the ledger.
        timeout: seconds; None: the default.
        dry_run: change nothing.

    Raises:
        NotRunning: there is no stack to change.
        VersionInUse: it is the champion.
        VersionUnknown: it does not run.
    """
    began = time.monotonic()
    name = chosen_model(list(project.models), model)
    with locked_unless(project, "sandbox retire", report, dry_run=dry_run):
        now = running(project, None if dry_run else report)
        before = now.of(name)
        role = check_retired(before, version).role
        after = without(before, version)
        lineup = lineup_steps(before, after)
        plan = steps_of(now, after, lineup) if dry_run else lineup
        result = RetireResult(project.name, name, version, role.value, before.champion.version, plan, dry_run=dry_run)
        if not dry_run:
            intents = [Intent(Action.RETIRED, name, version, reason, {"role": role.value})]
            bring(now, replaced(now.deployed, after), intents, UpOptions(timeout=timeout, reason=reason), report, held=now.remembered.held)
        return replace(result, elapsed=time.monotonic() - began)
