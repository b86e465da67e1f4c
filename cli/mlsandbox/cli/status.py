"""`sandbox status`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.actions.env import variables
from mlsandbox.actions.status import status, wait_healthy
from mlsandbox.cli.binding import DOCUMENTS
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit
from mlsandbox.output import Format
from mlsandbox.views.status import status_text

EXAMPLES = "$ sandbox status\n$ sandbox status --wait healthy --timeout 30s\n$ sandbox status -o json"
FORMATS = (*DOCUMENTS, Format.ENV)


class Wanted(StrEnum):
    """States that can be waited for."""

    HEALTHY = "healthy"


def command(
    session: Session,
    *,
    wait: Annotated[Wanted | None, typer.Option("--wait", metavar="healthy", help="Wait until the stack is so.")] = None,
) -> Exit:
    """Ends with 0 when the stack is healthy, with 3 when it is not."""
    project = session.project()
    result = status(project) if wait is None else wait_healthy(project, timeout=session.options.timeout)
    session.output.result("Status", result, status_text(result, session.output.out), env=variables(result.endpoints))
    return Exit.OK if result.state == "healthy" else Exit.BAD_FINDING
