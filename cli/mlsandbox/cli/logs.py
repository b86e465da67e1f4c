"""`sandbox logs`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.actions.logs import EventFilter, events, service_lines, service_names
from mlsandbox.cli import interrupts
from mlsandbox.cli.binding import DOCUMENTS
from mlsandbox.cli.completion import complete_services
from mlsandbox.cli.session import Session
from mlsandbox.cli.since import moment_of
from mlsandbox.errors import UsageError
from mlsandbox.output import Format, show_pieces, to_plain
from mlsandbox.views.logs import event_text, line_text, none_text

EXAMPLES = """\
$ sandbox logs api -n 50
$ sandbox logs --requests -f
$ sandbox logs --drift --since 1d
$ sandbox logs --id 3f6c0e2b9d8d4c1f -o jsonl"""
FORMATS = (*DOCUMENTS, Format.JSONL)


class Level(StrEnum):
    """Severities, from `LogTable.LEVELS`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def command(
    session: Session,
    *,
    services: Annotated[list[str] | None, typer.Argument(metavar="SERVICE", help="Only these.", autocompletion=complete_services)] = None,
    requests: Annotated[bool, typer.Option("--requests", help="Logged requests instead of output.")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="Logged errors alone.")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Alerts of drift, raised and cleared.")] = False,
    outliers: Annotated[bool, typer.Option("--outliers", help="Rows unlike the reference, with drift.flag_rows.")] = False,
    identity: Annotated[str | None, typer.Option("--id", "--request-id", metavar="ID", help="What was logged of one request.")] = None,
    level: Annotated[Level | None, typer.Option("--level", metavar="LEVEL", help="This or worse: debug, info, warning, error.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help='Not older than this, such as "10m".')] = None,
    count: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=0, help="How many, the newest (per service).")] = 100,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is new, until Ctrl-C.")] = False,
) -> None:
    """Without --requests, --errors, --drift, --outliers, --id or --level: what the services wrote."""
    after = moment_of(since, example="write it as in: sandbox logs --since 10m")
    wanted = EventFilter(requests, errors, drift, outliers, identity, level, after)
    if wanted.is_given and services:
        raise UsageError("events are not of one service", fix="leave the service out: sandbox logs --requests")
    if follow and session.output.form in (Format.JSON, Format.YAML):
        raise UsageError(
            f"-o {session.output.form} is one document, and -f has no end", fix="one document per line: sandbox logs -f -o jsonl"
        )
    with interrupts.as_normal_end():
        if wanted.is_given:
            found = events(session.root(), wanted, lines=count, follow=follow)
            pieces = ((each, event_text(each, session.output.out)) for each in found)
            show_pieces(session.output, "EventList", "events", pieces, none=none_text(identity))
        else:
            if not services and not service_names(session.root()):
                session.output.warning("no service has run here yet; start the stack: sandbox up")
            lines = service_lines(session.root(), services or (), lines=count, since=wanted.since, follow=follow)
            width = max(map(len, service_names(session.root()) or [""]))
            show_pieces(
                session.output, "LogLineList", "lines", ((to_plain(each), line_text(each, session.output.out, width)) for each in lines)
            )
