"""`sandbox env`."""

from __future__ import annotations

from mlsandbox.actions.env import variables
from mlsandbox.actions.sight import endpoint_of, look
from mlsandbox.cli.binding import DOCUMENTS
from mlsandbox.cli.session import Session
from mlsandbox.output import Format

EXAMPLES = '$ eval "$(sandbox env)"\n$ curl "$SANDBOX_URL/readyz"'
FORMATS = (*DOCUMENTS, Format.ENV)


def command(session: Session) -> None:
    """The same as: sandbox status -o env"""
    sight = look(session.project().root)
    endpoint_of(sight)
    values = variables(sight.endpoints)
    session.output.form = Format.ENV if session.output.form is Format.TEXT else session.output.form
    session.output.result("Env", {"variables": values}, "", env=values)
