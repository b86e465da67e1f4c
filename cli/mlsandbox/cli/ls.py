"""`sandbox ls`."""

from __future__ import annotations

from mlsandbox.actions.ls import ls
from mlsandbox.cli.session import Session
from mlsandbox.views.status import list_text

EXAMPLES = "$ sandbox ls\n$ sandbox ls -o json"


def command(session: Session) -> None:
    """Every stack that was brought up here and whose data was not removed, running or not."""
    result = ls()
    session.output.result("StackList", result, list_text(result, session.output.out))
