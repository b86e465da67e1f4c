"""`sandbox keys`."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.actions.keys import TAKEN_SECONDS, add_key, keys, remove_key
from mlsandbox.actions.sight import look
from mlsandbox.cli.session import Session
from mlsandbox.errors import EngineUnavailable, UsageError
from mlsandbox.output import Format
from mlsandbox.views.keys import added_text, list_text, removed_text

EXAMPLES = """\
$ sandbox keys list
$ sandbox keys add team-a
$ sandbox keys remove team-a"""


class What(StrEnum):
    """What to do with API keys."""

    LIST = "list"
    ADD = "add"
    REMOVE = "remove"


def command(
    session: Session,
    *,
    what: Annotated[
        What, typer.Argument(metavar="list|add|remove", help="Show names, make a key, or take one away; in effect at the end.")
    ] = What.LIST,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="With add and remove: whose key it is.")] = None,
) -> None:
    """A new key is printed once, alone on standard output, and never in JSON; clients send it as x-api-key or as a bearer token."""
    project, report, dry_run = session.project(), session.report, session.options.dry_run
    if (name is None) != (what is What.LIST):
        raise UsageError("a name goes with add and remove alone", fix="as in: sandbox keys add team-a")

    def waiting(who: str) -> None:
        report.note(f"waiting for {who}")

    running = _running_asks(session)
    required = project.stack.asks_for_keys if running is None else running
    if name is None:
        listed = keys(project.state_dir, required=required)
        session.output.result("KeyList", listed, list_text(listed))
    elif what is What.ADD:
        change, key = add_key(project.state_dir, name, waiting, dry_run=dry_run)
        session.output.message(added_text(change, required=required, shown=session.output.form is Format.TEXT))
        session.output.result("KeyChange", change, key)
    else:
        change = remove_key(project.state_dir, name, waiting, dry_run=dry_run)
        session.output.result("KeyChange", change, removed_text(change))
    if running and name is not None and not dry_run:
        time.sleep(TAKEN_SECONDS)  # after the key was shown: who ends this early has it


def _running_asks(session: Session) -> bool | None:
    """Whether the stack that runs asks for keys, whatever sandbox.toml says of the next one; None: none runs, or nobody can tell."""
    try:
        return look(session.root()).asks_for_keys
    except EngineUnavailable:
        return None
