"""`sandbox doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsandbox.cli.session import Session
from mlsandbox.doctor import examine
from mlsandbox.errors import Exit, ProjectNotFound, SandboxError
from mlsandbox.project import Project
from mlsandbox.views.doctor import doctor_text

EXAMPLES = "$ sandbox doctor\n$ sandbox doctor --fix\n$ sandbox doctor -o json"


def command(
    session: Session,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Repair stale state: left-over processes, an unreadable state.json.")] = False,
) -> Exit:
    """Ends with 3 when there is a problem."""
    try:
        root = session.root()
    except ProjectNotFound:
        if session.options.project is not None:
            raise
        root = None
    report = examine(root, fix=fix and not session.options.dry_run, project=_project(session))
    content = {"problems": report.problems, "findings": report.findings}
    session.output.result("Doctor", content, doctor_text(report, session.output.out))
    return Exit.BAD_FINDING if report.problems else Exit.OK


def _project(session: Session) -> Project | None:
    """The settings, with what flags say; None when they are wrong, which is one of the findings."""
    try:
        return session.project()
    except SandboxError:
        return None
