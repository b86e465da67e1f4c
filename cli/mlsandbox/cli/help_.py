"""`sandbox help`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from mlsandbox.cli import app, topics
from mlsandbox.cli.commands import COMMANDS
from mlsandbox.cli.session import Session
from mlsandbox.errors import UsageError

EXAMPLES = "$ sandbox help\n$ sandbox help up\n$ sandbox help exit-codes\n$ sandbox help PORT_IN_USE\n$ sandbox help SandboxServiceDown"


def _names() -> list[str]:
    return [*(each.name for each in COMMANDS), *topics.topics()]


def command(
    session: Session,
    *,
    topic: Annotated[str | None, typer.Argument(help="A command, a topic, an error code or an alert.", autocompletion=_names)] = None,
) -> None:
    """Topics: exit-codes, config, environment, components, every error code and every alert."""
    page = _page(topic)
    session.output.result("Help", {"topic": topic, "text": page}, page)


def _page(topic: str | None) -> str:
    """The text of a topic; of the whole command when there is none."""
    group = app.root()
    context = group.make_context("sandbox", [], resilient_parsing=True)
    if topic is None:
        return group.get_help(context)
    pages = topics.topics()
    wanted = {name.lower(): name for name in pages}.get(topic.lower())
    found = group.get_command(context, topic)
    if found is None and wanted is None:
        close = get_close_matches(topic, _names(), n=1)
        suggestion = f"; did you mean {close[0]!r}?" if close else ""
        known = ", ".join(name for name in pages if name.islower())
        raise UsageError(
            f"there is no help on {topic!r}{suggestion}", why=f"Topics: {known}, every command, error code and alert.", fix="sandbox help"
        )
    text = "" if found is None else str(found.get_help(found.make_context(topic, [], parent=context, resilient_parsing=True)))
    return "\n\n".join(part for part in (text, pages[wanted]() if wanted else "") if part)
