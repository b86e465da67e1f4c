"""`sandbox retire`."""

from __future__ import annotations

from mlsandbox.actions.retire import retire
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, Reason, Version
from mlsandbox.views.versions_moved import retire_text

EXAMPLES = """\
$ sandbox retire v4
$ sandbox retire v4 --reason "no better than v3"
$ sandbox retire v4 --dry-run"""


def command(session: Session, *, version: Version, model: Model = None, reason: Reason = "") -> None:
    """A challenger or a standby; its package is kept, and it can be deployed or promoted again."""
    given = session.options
    result = retire(session.project(), version, model, session.report, reason=reason, timeout=given.timeout, dry_run=given.dry_run)
    session.close()
    session.output.result("Retirement", result, retire_text(result))
