"""Asking before something that cannot be undone."""

from __future__ import annotations

import sys

from mlsandbox.cli.session import Session
from mlsandbox.errors import ConfirmationNeeded, UsageError


def confirm(session: Session, question: str) -> None:
    """Ask; the default is No, and --yes has answered already.

    Raises:
        ConfirmationNeeded: nobody can be asked.
        UsageError: the answer was not yes.
    """
    if session.options.yes:
        return
    again = " ".join(["sandbox", *sys.argv[1:], "--yes"])
    if session.options.no_input or not sys.stdin.isatty():
        raise ConfirmationNeeded(
            f"this needs a yes: {question}",
            why="Nobody can be asked here: standard input is no terminal, or --no-input was given.",
            fix=f"add --yes: {again}",
        )
    session.close()
    if session.output.ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
        raise UsageError("nothing was changed: the answer was not yes", fix=f"answer y, or add --yes: {again}")
