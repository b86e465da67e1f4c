"""`sandbox completion SHELL`, and what answers the shell while it completes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.actions.logs import service_names
from mlsandbox.actions.sight import with_fronts
from mlsandbox.cli import COMPLETE_VARIABLE
from mlsandbox.cli.session import Session
from mlsandbox.errors import SandboxError
from mlsandbox.project import find_project

EXAMPLES = """\
$ eval "$(sandbox completion bash)"
$ sandbox completion zsh > ~/.zfunc/_sandbox
$ sandbox completion fish > ~/.config/fish/completions/sandbox.fish"""


class Shell(StrEnum):
    """Shells that can complete our words."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(session: Session, *, shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Completes commands, options and the names of services."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # noqa: PLC0415 - imported there, not declared

    script = get_completion_script(prog_name="sandbox", complete_var=COMPLETE_VARIABLE, shell=shell.value)
    session.output.result("Completion", {"shell": shell, "script": script}, script)


def prepare() -> None:
    """Make Typer know the shells; it does so by itself only for its own --install-completion."""
    from typer.completion import get_completion_inspect_parameters  # noqa: PLC0415 - only while completing

    get_completion_inspect_parameters()


def complete_services() -> list[str]:
    """Names that stand for services of the project in the current folder; none while its engine does not answer."""
    root = find_project()
    try:
        return [] if root is None else with_fronts(service_names(root))
    except SandboxError:
        return []
