"""`sandbox rollback`."""
# ruff: noqa: PLC0415 - what is slow to import comes after the first line is on the screen

from __future__ import annotations

from mlsandbox.cli.app import version_line
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, NoWarm, Reason, Trust, VersionOrNone

EXAMPLES = """\
$ sandbox rollback
$ sandbox rollback v3 --reason "v4 refuses new postcodes"
$ sandbox rollback --dry-run"""


def command(
    session: Session,
    *,
    version: VersionOrNone = None,
    model: Model = None,
    no_warm: NoWarm = False,
    reason: Reason = "",
    trust: Trust = False,
) -> None:
    """By default to the champion before; sandbox up then keeps it until the project's files change."""
    project, given = session.project(), session.options
    session.report.title(f"{version_line()} · project {project.name}")
    from mlsandbox.actions.rollback import rollback
    from mlsandbox.actions.switching import SwitchOptions
    from mlsandbox.views.versions_moved import switch_text

    options = SwitchOptions(not no_warm, reason, trust, given.timeout, given.dry_run)
    result = rollback(project, version, model, options, session.report)
    session.close()
    text = switch_text(result, "rollback", session.output.out, several=len(project.models) > 1)
    session.output.result("Promotion", result, text)
