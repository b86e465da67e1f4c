"""`sandbox where`."""

from __future__ import annotations

from mlsandbox.actions.where import where
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model
from mlsandbox.errors import Exit
from mlsandbox.views.versions import where_text

EXAMPLES = "$ sandbox where\n$ sandbox where --model churn -o json"


def command(session: Session, *, model: Model = None) -> Exit:
    """What the ledger says, held against what answers when it is asked; ends with 3 when they disagree."""
    result = where(session.root(), model)
    for warning in result.warnings:
        session.output.warning(warning)
    session.output.result("Where", result, where_text(result, session.output.out))
    return Exit.OK if result.agrees else Exit.BAD_FINDING
