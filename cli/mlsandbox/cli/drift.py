"""`sandbox drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsandbox.actions.drift import drift, write_page
from mlsandbox.actions.drift_inject import InjectOptions
from mlsandbox.actions.open import show
from mlsandbox.actions.sight import look
from mlsandbox.cli.drift_baseline import baseline
from mlsandbox.cli.drift_injection import injection
from mlsandbox.cli.drift_words import BASELINE, CHECK, INJECT, REPORT, SET, check_options, meant
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit
from mlsandbox.views.drift import drift_text, gate_texts, page_text

EXAMPLES = """\
$ sandbox drift
$ sandbox drift --fail-on-drift
$ sandbox drift report --html drift.html
$ sandbox drift inject --column age --shift 1sd --for 30s
$ sandbox drift baseline set --from-logs --since 24h"""


def command(
    session: Session,
    *,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WHAT", help="check (also without it), report, inject, baseline, baseline set or reset; then a model."),
    ] = None,
    fail: Annotated[
        bool, typer.Option("--fail-on-drift", help="check: end with 3 when there is drift that matters, with 1 when nothing was compared.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="check: also versions that are not served any more.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="report: write it as one page.")] = None,
    browse: Annotated[bool, typer.Option("--open", help="report: show it in the browser.")] = False,
    column: Annotated[str | None, typer.Option("--column", metavar="NAME", help="inject: the column to change.")] = None,
    shift: Annotated[
        str | None, typer.Option("--shift", metavar="CHANGE", help="inject: 1sd, +5, x1.2, 30d, missing=10% or category=VALUE:20%.")
    ] = None,
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="inject: how long.")] = "30s",
    rate: Annotated[int, typer.Option("--rate", metavar="N", help="inject: rows a second.")] = 100,
    file: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="baseline set: rows to compare with.")] = None,
    logs: Annotated[bool, typer.Option("--from-logs", help="baseline set: the newest 20,000 logged requests.")] = False,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help='--from-logs: not older than this, such as "24h".')] = None,
) -> Exit:
    """Evidence of 100% raises an alarm. inject sends changed reference rows to the running model; baseline is what is compared with."""
    said = meant(words or ())
    check_options(
        said,
        {
            CHECK: {"--fail-on-drift": fail, "--all": every},
            REPORT: {"--html": html, "--open": browse},
            INJECT: {"--column": column, "--shift": shift},
            f"{BASELINE} {SET}": {"--from": file, "--from-logs": logs, "--since": since},
        },
    )
    if said.what == BASELINE:
        return baseline(session, session.project(), said, file=file, logs=logs, since=since)
    project, sight = session.project(), look(session.root())
    if said.what == REPORT:
        page = write_page(sight, html, dry_run=session.options.dry_run)
        session.output.result("DriftPage", page, page_text(page))
        if browse and not show(page.url):
            session.output.message("no browser was found to open it")
        return Exit.OK
    if said.what == INJECT:
        return injection(session, project, sight, InjectOptions(said.model, column or "", shift or "", duration, rate))
    result = drift(project, sight, said.model, every=every)
    if fail:
        result.refuse_unless_compared()
    session.output.result("Drift", result.document, drift_text(result, session.output.out))
    for text in gate_texts(result) if fail else ():
        session.output.warning(text)
    return Exit.BAD_FINDING if fail and result.drifted else Exit.OK
