"""`sandbox diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsandbox.actions.diff import MOST_ROWS, DiffOptions, diff, refuse_unwritable, too_different, write_report
from mlsandbox.actions.diff_plan import planned_diff
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, Trust, complete_versions
from mlsandbox.errors import Exit
from mlsandbox.output import Format
from mlsandbox.views.diff import diff_text
from mlsandbox.views.diff_page import diff_page
from mlsandbox.views.dry_run import dry_run_text

EXAMPLES = """\
$ sandbox diff v1 v2 --from-logs 24h
$ sandbox diff v1 v2 --data holdout.parquet --html diff.html
$ sandbox diff v1 v2 --data holdout.csv --fail-over 2%"""


def command(
    session: Session,
    *,
    old: Annotated[str, typer.Argument(metavar="V1", help="The version to compare with.", autocompletion=complete_versions)],
    new: Annotated[str, typer.Argument(metavar="V2", help="The other one.", autocompletion=complete_versions)],
    model: Model = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="FILE", help="Ask both about the rows of a file.")] = None,
    logs: Annotated[
        str | None, typer.Option("--from-logs", metavar="TIME", help='Ask both about logged requests, not older than this: "24h".')
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Rows at most; of more in a file a sample.")] = MOST_ROWS,
    over: Annotated[
        str | None, typer.Option("--fail-over", metavar="SHARE", help='End with 3 when they differ in more rows than this: "2%".')
    ] = None,
    tolerance: Annotated[
        str | None, typer.Option("--tolerance", metavar="SHARE", help="Numbers this close count as the same; default: as packaged.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page, too.")] = None,
    trust: Trust = False,
) -> Exit:
    """Each answers in its own environment; no stack has to run. Told: how often they differ, in which rows, latency, new errors."""
    if html is not None:
        refuse_unwritable(html, data)
    options = DiffOptions(old, new, model, data, logs, limit, over, tolerance, trust)
    if session.options.dry_run:
        plan = planned_diff(session.project(), options, html)
        session.output.result("DiffPlan", plan, dry_run_text("diff", plan.plan))
        return Exit.OK
    result = diff(session.project(), options, report=session.report)
    session.close()
    if html is not None:
        write_report(html, diff_page(result))
        session.output.message(f"wrote {html}")
    session.output.result("VersionDiff", result.to_json(), diff_text(result, session.output.out))
    if result.over:
        error = too_different(result)
        if session.output.form is Format.TEXT:
            raise error
        session.output.warning(error.what)  # the one document is the report
    return Exit.BAD_FINDING if result.over else Exit.OK
