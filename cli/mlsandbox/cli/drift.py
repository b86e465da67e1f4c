"""`sandbox drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from mlsandbox.actions.drift import drift, write_page
from mlsandbox.actions.drift_inject import InjectOptions, inject_drift
from mlsandbox.actions.open import show
from mlsandbox.actions.sight import look
from mlsandbox.cli.session import Session
from mlsandbox.errors import Exit, UsageError
from mlsandbox.views.drift import drift_text, gate_texts, injection_text, page_text

EXAMPLES = """\
$ sandbox drift
$ sandbox drift --fail-on-drift
$ sandbox drift report --html drift.html
$ sandbox drift inject --column age --shift 1sd --for 30s"""
_WORDS: Final = ("check", "report", "inject")


def command(
    session: Session,
    *,
    what: Annotated[str | None, typer.Argument(metavar="check|report|inject", help="Without it: check.")] = None,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Which model. Without it: all; inject takes the first.")] = None,
    fail: Annotated[bool, typer.Option("--fail-on-drift", help="check: end with 3 when there is drift that matters.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="report: write it as one page.")] = None,
    browse: Annotated[bool, typer.Option("--open", help="report: show it in the browser.")] = False,
    column: Annotated[str | None, typer.Option("--column", metavar="NAME", help="inject: the column to change.")] = None,
    shift: Annotated[
        str | None, typer.Option("--shift", metavar="CHANGE", help="inject: 1sd, +5, x1.2, missing=10% or category=VALUE:20%.")
    ] = None,
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="inject: how long.")] = "30s",
    rate: Annotated[int, typer.Option("--rate", metavar="N", help="inject: rows a second.")] = 100,
) -> Exit:
    """Evidence of 1x raises an alarm. inject sends changed rows of the reference to the running model, which logs them like others."""
    what, model = _meant(what, model)
    given = {"--fail-on-drift": ("check", fail), "--html": ("report", html), "--open": ("report", browse)}
    for name, (owner, value) in {**given, "--column": ("inject", column), "--shift": ("inject", shift)}.items():
        if value not in (None, False) and owner != what:
            raise UsageError(f"{name} belongs to {owner}, not to {what}", fix=f"see how: sandbox drift {owner} --help")
    project, sight = session.project(), look(session.root())
    if what == "report":
        page = write_page(sight, html, dry_run=session.options.dry_run)
        session.output.result("DriftPage", page, page_text(page))
        if browse and not show(page.url):
            session.output.message("no browser was found to open it")
        return Exit.OK
    if what == "inject":
        if column is None or shift is None:
            raise UsageError("inject needs --column and --shift", fix="write it as in: sandbox drift inject --column NAME --shift 1sd")
        options = InjectOptions(model, column, shift, duration, rate)
        done = inject_drift(
            project, sight, options, timeout=session.options.timeout, dry_run=session.options.dry_run, report=session.report
        )
        session.close()
        session.output.result("DriftInjection", done, injection_text(done, session.output.out))
        return Exit.OK
    result = drift(project.name, sight, model)
    session.output.result("Drift", result.document, drift_text(result, session.output.out))
    for text in gate_texts(result) if fail else ():
        session.output.warning(text)
    return Exit.BAD_FINDING if fail and result.drifted else Exit.OK


def _meant(what: str | None, model: str | None) -> tuple[str, str | None]:
    """What to do, and with which model; a model's name alone is checked."""
    if what is None or what in _WORDS:
        return what or _WORDS[0], model
    if model is not None:
        raise UsageError(f"drift cannot {what}", why=f"It can {', '.join(_WORDS)}.", fix=f"write it as in: sandbox drift check {model}")
    return _WORDS[0], what
