"""`sandbox promote`."""
# ruff: noqa: PLC0415 - what is slow to import comes after the first line is on the screen

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsandbox.cli.app import version_line
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, NoWarm, Reason, Trust, Version
from mlsandbox.errors import UsageError

if TYPE_CHECKING:
    from mlsandbox.actions.gate import GateResult
    from mlsandbox.actions.promote import Judging

EXAMPLES = """\
$ sandbox promote v4
$ sandbox promote v4 --gate gate.toml
$ sandbox promote v4 --gate gate.toml --force --reason "the holdout is from before the move"
$ sandbox promote v4 --dry-run"""


def command(
    session: Session,
    *,
    version: Version,
    gate: Annotated[Path | None, typer.Option("--gate", metavar="FILE", help="Only if it is as good as this file demands.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if the gate refuses it; needs --reason.")] = False,
    model: Model = None,
    no_warm: NoWarm = False,
    reason: Reason = "",
    trust: Trust = False,
) -> None:
    """No request fails meanwhile; one that does not run yet is started first, and checked. To undo it: sandbox rollback"""
    if force and (gate is None or not reason):
        lacks = "a gate to overrule: --gate FILE" if gate is None else 'a reason for the ledger: --reason "…"'
        raise UsageError(f"--force needs {lacks}", fix='as in: sandbox promote v4 --gate gate.toml --force --reason "…"')
    judging = None if gate is None else _judging(session, gate, force=force)
    project, given = session.project(), session.options
    session.report.title(f"{version_line()} · project {project.name}")
    from mlsandbox.actions.promote import promote
    from mlsandbox.actions.switching import SwitchOptions
    from mlsandbox.views.versions_moved import switch_text

    options = SwitchOptions(not no_warm, reason, trust, given.timeout, given.dry_run)
    result = promote(project, version, model, options, session.report, judging=judging)
    session.close()
    text = switch_text(result, "promote", session.output.out, several=len(project.models) > 1)
    session.output.result("Promotion", result, text)


def _judging(session: Session, file: Path, *, force: bool) -> Judging:
    from mlsandbox.actions.gate_file import read_gate
    from mlsandbox.actions.promote import Judging
    from mlsandbox.views.gate import gate_text

    def show(found: GateResult) -> None:
        session.close()
        session.output.message(gate_text(found, session.output.err))

    return Judging(read_gate(file), show, force)
