"""`sandbox drift baseline`: shows, sets and resets what live rows are compared with."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.actions.drift_baseline import BaselineOptions, references, reset_baseline, set_baseline
from mlsandbox.actions.sight import look
from mlsandbox.cli.drift_words import RESET, SET, Meant
from mlsandbox.cli.session import Session
from mlsandbox.cli.since import moment_of
from mlsandbox.errors import Exit, UsageError
from mlsandbox.output import to_plain
from mlsandbox.project import Project
from mlsandbox.views.baseline import change_text, references_text


def baseline(session: Session, project: Project, said: Meant, *, file: Path | None, logs: bool, since: str | None) -> Exit:
    """Do what is meant, and show it."""
    dry_run = session.options.dry_run
    if said.change is None:
        shown = references(project, look(project.root), said.model)
        document = {"project": project.name, "references": [to_plain(each) for each in shown]}
        session.output.result("DriftBaseline", document, references_text(shown, session.output.out))
        return Exit.OK
    if said.change == RESET:
        done = reset_baseline(project, said.model, dry_run=dry_run, report=session.report)
    else:
        options = BaselineOptions(file, _checked(file, logs=logs, since=since))
        done = set_baseline(project, said.model, options, dry_run=dry_run, report=session.report)
    session.close()
    session.output.result("DriftBaseline", {"project": project.name, "references": [to_plain(done)]}, change_text(done, session.output.out))
    return Exit.OK


def _checked(file: Path | None, *, logs: bool, since: str | None) -> float | None:
    """Since when logged requests are wanted, epoch seconds; refuses options that do not go together."""
    as_in = f"write it as in: sandbox drift baseline {SET}"
    if (file is not None) == logs:
        problem = "takes either --from or --from-logs" if logs else "needs rows"
        raise UsageError(f"baseline {SET} {problem}", fix=f"{as_in} --from FILE   or {as_in} --from-logs --since 24h")
    if since is not None and not logs:
        raise UsageError("--since is about logged requests", fix=f"{as_in} --from-logs --since {since}")
    return moment_of(since, example=f"{as_in} --from-logs --since 24h")
