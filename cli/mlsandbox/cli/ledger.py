"""`sandbox ledger`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.actions.ledger_check import verify_ledger
from mlsandbox.cli.session import Session
from mlsandbox.views.ledger import check_text

EXAMPLES = "$ sandbox ledger verify"


class What(StrEnum):
    """What to do with the ledger."""

    VERIFY = "verify"


def command(session: Session, *, what: Annotated[What, typer.Argument(metavar="verify", help="Find every line that was changed.")]) -> None:
    """Each entry holds the digest of the one before, so that what was edited, removed, added or moved is found; ends with 3 then."""
    del what
    result = verify_ledger(session.root())
    session.output.result("LedgerCheck", result, check_text(result))
