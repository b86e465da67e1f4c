"""`sandbox deploy`."""
# ruff: noqa: PLC0415 - what is slow to import comes after the first line is on the screen

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.cli.app import version_line
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Model, Reason, Trust, VersionOrNone, percent_of
from mlsandbox.errors import UsageError

EXAMPLES = """\
$ sandbox deploy --as challenger
$ sandbox deploy --as challenger --split 10%
$ sandbox deploy v4 --as challenger --shadow"""


class As(StrEnum):
    """What a version can be deployed as."""

    CHALLENGER = "challenger"


def command(
    session: Session,
    *,
    version: VersionOrNone = None,
    role: Annotated[As | None, typer.Option("--as", metavar="challenger", help="What the version is to be.")] = None,
    split: Annotated[str | None, typer.Option("--split", metavar="SHARE", help="It answers this share of the requests, as in 10%.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="It sees a copy of every request and answers none; the default.")] = False,
    model: Model = None,
    reason: Reason = "",
    trust: Trust = False,
) -> None:
    """By default what the project's files make now, packaged when it is new; given again, only its share changes."""
    if role is None:
        raise UsageError(
            "it must be said as what the version is deployed",
            fix="try it beside the champion: sandbox deploy --as challenger   or let it answer: sandbox up, sandbox promote VERSION",
        )
    if split is not None and shadow:
        raise UsageError(
            "a challenger answers a share of the requests or sees copies of them, not both", fix="leave out --split or --shadow"
        )
    percent = None if split is None else percent_of(split)
    project, given = session.project(), session.options
    session.report.title(f"{version_line()} · project {project.name}")
    from mlsandbox.actions.deploy import DeployOptions, deploy_challenger
    from mlsandbox.stack.components.base import Share
    from mlsandbox.views.versions_moved import deploy_text

    share = Share(shadow=True) if percent is None else Share(percent)
    options = DeployOptions(share, reason, trust, given.timeout, given.dry_run)
    result = deploy_challenger(project, version, model, options, session.report)
    session.close()
    session.output.result("Deployment", result, deploy_text(result, session.output.out, several=len(project.models) > 1))
