"""`sandbox open`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsandbox.actions.open import Place, address, show
from mlsandbox.actions.sight import look
from mlsandbox.cli.session import Session

EXAMPLES = "$ sandbox open docs\n$ sandbox open grafana\n$ sandbox open api --print"


def command(
    session: Session,
    *,
    place: Annotated[Place, typer.Argument(metavar="|".join(Place), help="What to open.")] = Place.API,
    only_print: Annotated[bool, typer.Option("--print", help="Print the address alone.")] = False,
) -> None:
    """The address is printed as well."""
    url = address(look(session.project().root), place)
    session.output.result("Address", {"url": url}, url)
    if not only_print and not show(url):
        session.output.message("no browser was found to open it")
