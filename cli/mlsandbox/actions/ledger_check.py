"""Whether the ledger is what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from mlsandbox.actions.records import told
from mlsandbox.errors import LedgerBroken
from mlsandbox.ledger import Ledger


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """A ledger that is whole."""

    file: Path
    entries: int
    first: str | None
    """When its first entry took effect, in UTC; None when there is none."""
    last: str | None
    head: str
    """Digest of the last line, which stands for all of them: who notes it elsewhere knows later whether this is still that ledger."""
    torn: bool
    """Whether the end holds a part of an entry whose writing was interrupted; the next entry sets it aside."""


def verify_ledger(root: Path) -> LedgerCheck:
    """Look through the ledger of the project in a folder; changes nothing.

    Raises:
        LedgerBroken: it was changed by something else; names every line, and what is wrong with it.
    """
    ledger = Ledger(root / ".sandbox")
    found = ledger.check()
    if found.problems:
        lines = len({each.line for each in found.problems})
        raise LedgerBroken(
            f"the ledger was changed by something else than sandbox, in {lines} place{'s' if lines > 1 else ''}",
            why="\n".join(told(each.line, each.what) for each in found.problems),
            fix=f"look at these lines, and compare with a copy of it if there is one: {quote(str(ledger.path))}",
            details={"file": str(ledger.path), "problems": [{"line": each.line, "what": each.what} for each in found.problems]},
        )
    times = [each.time for each in found.entries]
    return LedgerCheck(
        file=ledger.path,
        entries=found.head.sequence,
        first=times[0] if times else None,
        last=times[-1] if times else None,
        head=found.head.digest,
        torn=bool(found.torn),
    )
