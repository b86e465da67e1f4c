"""`sandbox drift inject`: drift made on purpose."""

from __future__ import annotations

from mlsandbox.actions.drift_inject import InjectOptions, inject_drift
from mlsandbox.actions.sight import Sight
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit, UsageError
from mlsandbox.project import Project
from mlsandbox.views.drift import injection_text


def injection(session: Session, project: Project, sight: Sight, options: InjectOptions) -> Exit:
    """Send the rows, and show what became of them."""
    if not options.column or not options.shift:
        raise UsageError("inject needs --column and --shift", fix="write it as in: sandbox drift inject --column NAME --shift 1sd")
    dry_run, timeout = session.options.dry_run, session.options.timeout
    done = inject_drift(project, sight, options, timeout=timeout, dry_run=dry_run, report=session.report)
    session.close()
    session.output.result("DriftInjection", done, injection_text(done, session.output.out))
    return Exit.OK
