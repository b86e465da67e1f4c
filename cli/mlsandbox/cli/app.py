"""The root of the `sandbox` command."""

from __future__ import annotations

from typing import Annotated, Final, cast

import typer
from typer.core import TyperGroup

from mlsandbox.cli.binding import bind
from mlsandbox.cli.commands import COMMANDS, HELP_NAMES
from mlsandbox.cli.options import PANEL
from mlsandbox.cli.plain_help import LazyGroup
from mlsandbox.cli.session import Session

_SUMMARY: Final = "Turn a fitted model into a verified, measured, logged endpoint, with one command."
EXAMPLES: Final = "\n".join(
    f"$ sandbox {words}"
    for words in ("init --from model.joblib --reference train.parquet", "up", "predict --example", "logs --requests -f", "down")
)


def root() -> TyperGroup:
    """The whole command."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(cls=LazyGroup, invoke_without_command=True, context_settings=HELP_NAMES, help=_SUMMARY)(bind(_root, root=True))
    group = cast("LazyGroup", typer.main.get_command(app))
    group.fill(COMMANDS, EXAMPLES)
    return group


def _print_version(value: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if value:
        typer.echo(version_line())
        raise typer.Exit


_VERSION: Final = typer.Option("-V", "--version", is_eager=True, callback=_print_version, help="Print the version.", rich_help_panel=PANEL)


def _root(session: Session, *, version: Annotated[bool, _VERSION] = False) -> None:
    del session, version


def version_line() -> str:
    """The first line that every version request prints."""
    from importlib.metadata import version  # noqa: PLC0415 - 10 ms that the help need not wait for

    return f"sandbox {version('mlsandbox')}"
