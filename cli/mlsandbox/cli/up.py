"""`sandbox up`."""
# ruff: noqa: PLC0415 - what is slow to import comes after the first line is on the screen

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsandbox.actions.engine_choice import choose_engine
from mlsandbox.actions.env import variables
from mlsandbox.actions.outcomes import UpOptions
from mlsandbox.cli.app import version_line
from mlsandbox.cli.binding import DOCUMENTS
from mlsandbox.cli.session import Session
from mlsandbox.cli.target import example_row, project_of, stack_overrides
from mlsandbox.cli.version_options import Reason
from mlsandbox.output import Format
from mlsandbox.views.up import up_text

EXAMPLES = """\
$ sandbox up
$ sandbox up model.joblib --reference train.parquet --target churned
$ sandbox up --engine docker --profile lite
$ sandbox up --dry-run
$ sandbox up --attach"""
FORMATS = (*DOCUMENTS, Format.ENV)


def command(
    session: Session,
    *,
    path: Annotated[str | None, typer.Argument(metavar="PATH", help="A project folder, or a model as in sandbox init --from.")] = None,
    reference: Annotated[Path | None, typer.Option("--reference", metavar="DATA", help="With a model: training inputs.")] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="With a model: the label's column.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="With a model: its name.")] = None,
    requirements: Annotated[Path | None, typer.Option("--requirements", metavar="FILE", help="With a model: its requirements.")] = None,
    python: Annotated[Path | None, typer.Option("--python", metavar="PATH", help="With a model: its interpreter.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Load models even if they use code outside the allow-list.")] = False,
    example: Annotated[
        str | None, typer.Option("--example", metavar="JSON|@FILE", help="A row, for models without reference data.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Where the API listens; beyond loopback it asks for a key.")
    ] = None,
    port: Annotated[str | None, typer.Option("--port", metavar="auto|N", help="The API's port.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", metavar="full|lite", help="Which services Docker runs.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="SERVICE", help="Leave a service out, as in --exclude grafana.")
    ] = None,
    stay: Annotated[bool, typer.Option("-a", "--attach", help="Stay and show output; Ctrl-C stops the stack.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when the stack has answered.")] = True,
    warm: Annotated[bool, typer.Option("--warm", help="Keep a version that another one replaces running, to go back to.")] = False,
    reason: Reason = "",
) -> None:
    """Doing it again changes only what has changed; an unchanged stack is left alone."""
    given = {"reference": reference, "target": target, "name": name, "requirements": requirements, "python": python}
    flags = stack_overrides(host=host, port=port, profile=profile, exclude=exclude)
    project = project_of(session, path, given, trust=trust, overrides=flags)
    engine = choose_engine(project)
    session.report.title(f"{version_line()} · project {project.name} · engine {engine.name} ({engine.why})")
    for reserved in project.reserved:
        session.report.warn(f"{reserved} has no effect in this version")
    from mlsandbox.actions.up import up

    row = None if example is None else example_row(example)
    options = UpOptions(session.options.dry_run, wait, trust, session.options.timeout, row, warm, reason)
    result = up(project, engine.name, options, session.report)
    session.close()
    session.output.result("Stack", result, up_text(result, session.output.out), env=variables(result.endpoints))
    if stay and not result.dry_run:
        from mlsandbox.actions.attach import attach
        from mlsandbox.views.logs import line_text

        session.output.message("Attached: Ctrl-C stops the stack.")
        attach(project.root, project.name, session.report, lambda line: session.output.message(line_text(line, session.output.err, 10)))
