"""`sandbox down`."""

from __future__ import annotations

from typing import Annotated

import typer

from mlsandbox.actions.down import down, down_all
from mlsandbox.cli.completion import complete_services
from mlsandbox.cli.confirm import confirm
from mlsandbox.cli.session import Session
from mlsandbox.cli.version_options import Reason
from mlsandbox.project import name_in
from mlsandbox.views.down import down_all_text, down_text

EXAMPLES = "$ sandbox down\n$ sandbox down --volumes\n$ sandbox down --all"


def command(
    session: Session,
    *,
    services: Annotated[list[str] | None, typer.Argument(metavar="SERVICE", help="Only these.", autocompletion=complete_services)] = None,
    volumes: Annotated[
        bool,
        typer.Option(
            "--volumes",
            help="Also remove logs, events, packages, state, and Docker's volumes and images of the stack; asks first, or --yes.",
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every stack of this machine, and with --volumes the images that they share.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Nothing to stop is no error."""
    options = session.options
    root = None if everything else session.root()
    if volumes and not options.dry_run:
        whose = "all stacks" if root is None else f"the stack in {root}"
        confirm(session, f"Remove everything that {whose} wrote: logs, events, packages, volumes and images?")
    if root is None:
        everyone = down_all(session.report, volumes=volumes, dry_run=options.dry_run, timeout=options.timeout, reason=reason)
        session.close()
        session.output.result("DownList", everyone, down_all_text(everyone))
        return
    result = down(
        root,
        name_in(root),
        session.report,
        services=tuple(services or ()),
        volumes=volumes,
        dry_run=options.dry_run,
        timeout=options.timeout,
        reason=reason,
    )
    session.close()
    session.output.result("Down", result, down_text(result))
