"""`sandbox prune`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from mlsandbox.actions.prune import planned_prune, prune, settle_interrupted
from mlsandbox.cli.confirm import confirm
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Reason
from mlsandbox.views.prune import prune_text

EXAMPLES = """\
$ sandbox prune --dry-run
$ sandbox prune --keep 5
$ sandbox prune --yes"""


def command(
    session: Session,
    *,
    keep: Annotated[int, typer.Option("--keep", metavar="N", min=0, help="How many of the newest versions stay, whatever they did.")] = 3,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only of this model; of all by default.")] = None,
    reason: Reason = "",
) -> None:
    """Asks first. What runs, what a rollback needs and what answered within [log] retention stays; no version's number is used again."""
    project = session.project()
    if not session.options.dry_run:
        settle_interrupted(project, session.report)
    plan = planned_prune(project, model, keep=keep)
    if session.options.dry_run or not plan.removed:
        session.output.result("Prune", replace(plan, dry_run=session.options.dry_run), prune_text(plan))
        return
    if not session.options.yes:
        session.output.message(prune_text(plan))
    confirm(session, f"Remove {len(plan.removed)} version{'s' if len(plan.removed) > 1 else ''}, which cannot be undone?")
    result = prune(project, model, session.report, keep=keep, agreed=plan.identities, reason=reason)
    session.close()
    session.output.result("Prune", result, prune_text(result))
