"""Options of the commands that are about versions, spelled once."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsandbox.errors import UsageError
from mlsandbox.project import find_project


def complete_versions() -> list[str]:
    """Versions that the project in the current folder has a package of, of whichever model."""
    from mlsandbox.packaging.package import version_names  # noqa: PLC0415 - slow to import, and only while completing

    root = find_project()
    return [] if root is None else version_names(root)


def percent_of(text: str) -> float:
    """A share as it is written, "10%": without the sign nobody could say whether 0.5 is a half.

    Raises:
        UsageError: it is no share above 0% and up to 100%.
    """
    number, sign, rest = text.strip().partition("%")
    try:
        percent = float(number) if sign and not rest else 0.0
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise UsageError(
            f"--split takes a share above 0% and up to 100%, not {text!r}", fix="as in: sandbox deploy --as challenger --split 10%"
        )
    return percent


Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the ledger keeps it.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Which model, when the project has several.")]
Trust = Annotated[bool, typer.Option("--trust", help="Load the model even if it uses code outside the allow-list.")]
NoWarm = Annotated[bool, typer.Option("--no-warm", help="Stop the version that answered before, rather than keep it running.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help='As in "v2".', autocompletion=complete_versions)]
VersionOrNone = Annotated[str | None, typer.Argument(metavar="VERSION", help='As in "v2".', autocompletion=complete_versions)]
