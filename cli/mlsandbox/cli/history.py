"""`sandbox history`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from mlsandbox.actions.history import history, history_at, parse_moment
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model
from mlsandbox.errors import UsageError
from mlsandbox.views.ledger import history_at_text, history_text

EXAMPLES = """\
$ sandbox history
$ sandbox history --at 2026-11-03T10:00:00
$ sandbox history --at "2h ago" --model churn"""


def command(
    session: Session,
    *,
    model: Model = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help='Which version answered then: ISO 8601 (local without a zone), or "2h ago".')
    ] = None,
    count: Annotated[int | None, typer.Option("-n", "--entries", metavar="N", min=1, help="How many, the newest.")] = None,
) -> None:
    """Every package, deployment, promotion, rollback and removal, the newest last: when, who, what and why.

    With --at: which version answered at that second (with a fraction: that millisecond), since when, until when, and who let it.
    """
    if at is not None and count is not None:
        raise UsageError("--at asks for one time, and -n for how many entries", fix=f"leave -n out: sandbox history --at {at!r}")
    if at is None:
        result = history(session.root(), model, count=count)
        _warn(session, result.warnings)
        session.output.result("History", result, history_text(result, session.output.out))
        return
    then = history_at(session.root(), parse_moment(at, datetime.now(UTC)), model)
    _warn(session, then.warnings)
    session.output.result("HistoryAt", then, history_at_text(then, session.output.out))


def _warn(session: Session, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        session.output.warning(warning)
