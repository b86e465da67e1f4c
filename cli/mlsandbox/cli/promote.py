"""`sandbox promote`."""
# ruff: noqa: PLC0415 - what is slow to import comes after the first line is on the screen

from __future__ import annotations

from mlsandbox.cli.app import version_line
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, NoWarm, Reason, Trust, Version

EXAMPLES = """\
$ sandbox promote v4
$ sandbox promote v4 --reason "10% better on last week's requests"
$ sandbox promote v4 --dry-run"""


def command(
    session: Session,
    *,
    version: Version,
    model: Model = None,
    no_warm: NoWarm = False,
    reason: Reason = "",
    trust: Trust = False,
) -> None:
    """No request fails meanwhile; one that does not run yet is started first, and checked. To undo it: sandbox rollback"""
    project, given = session.project(), session.options
    session.report.title(f"{version_line()} · project {project.name}")
    from mlsandbox.actions.promote import promote
    from mlsandbox.actions.switching import SwitchOptions
    from mlsandbox.views.versions_moved import switch_text

    options = SwitchOptions(not no_warm, reason, trust, given.timeout, given.dry_run)
    result = promote(project, version, model, options, session.report)
    session.close()
    text = switch_text(result, "promote", session.output.out, several=len(project.models) > 1)
    session.output.result("Promotion", result, text)
