"""`sandbox pull`."""
# ruff: noqa: PLC0415 - what is slow to import comes after the first line is on the screen

from __future__ import annotations

from typing import Annotated

import typer

from mlsandbox.actions.engine_choice import choose_engine
from mlsandbox.cli.app import version_line
from mlsandbox.cli.session import Session

EXAMPLES = """\
$ sandbox pull
$ sandbox pull --dry-run
$ sandbox pull -o json"""


def command(
    session: Session,
    *,
    trust: Annotated[bool, typer.Option("--trust", help="Load models even if they use code outside the allow-list.")] = False,
) -> None:
    """Packages the models, pulls and builds the images, starts nothing; sandbox up then works without a network."""
    project = session.project()
    engine = choose_engine(project)
    session.report.title(f"{version_line()} · project {project.name} · engine {engine.name} ({engine.why})")
    from mlsandbox.actions.pull import pull
    from mlsandbox.views.pull import pull_text

    result = pull(project, engine.name, session.report, trust=trust, dry_run=session.options.dry_run)
    session.close()
    session.output.result("Pull", result, pull_text(result, session.output.out))
