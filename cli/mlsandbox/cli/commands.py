"""The commands of `sandbox`. A new command: its module beside this one, and one line in COMMANDS."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, cast

import typer
from typer.core import TyperCommand

from mlsandbox.cli.binding import DOCUMENTS, bind
from mlsandbox.cli.plain_help import PlainCommand

HELP_NAMES: Final = {"help_option_names": ["-h", "--help"]}


@dataclass(frozen=True, slots=True)
class Command:
    """One command as `sandbox --help` shows it; its module is imported only when it is used."""

    name: str
    group: str
    summary: str
    module: str = ""
    """Its module in this package, when that is not the name."""

    def load(self) -> TyperCommand:
        """Make the command of the module's `command` function, `EXAMPLES` and `FORMATS`."""
        module = import_module(f"mlsandbox.cli.{self.module or self.name}")
        function: Callable[..., int | None] = module.command
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        text = "\n\n".join(part for part in (self.summary, inspect.cleandoc(function.__doc__ or "")) if part)
        bound = bind(function, formats=getattr(module, "FORMATS", DOCUMENTS))
        app.command(self.name, cls=PlainCommand, help=text, context_settings=HELP_NAMES)(bound)
        command = cast("PlainCommand", typer.main.get_command(app))
        command.name, command.examples = self.name, module.EXAMPLES
        return command


COMMANDS: Final = (
    Command("init", "Start", "Make a project from a model file."),
    Command("up", "Start", "Package the model, start its stack, prove that it answers."),
    Command("pull", "Start", "Fetch and make all that up needs, so that it works offline."),
    Command("down", "Start", "Stop the stack; data is kept unless --volumes is given."),
    Command("predict", "Use", "Ask the running model for predictions."),
    Command("feedback", "Use", "Hand in what predictions should have been."),
    Command("open", "Use", "Open the API, its documentation or the dashboards in the browser.", "open_"),
    Command("env", "Use", "Print the stack's addresses as shell variables."),
    Command("export", "Use", "Write the stack for Kubernetes, or a part of it, as files that need no sandbox."),
    Command("versions", "Versions", "List the versions: digest, role, since when, metrics."),
    Command("where", "Versions", "Show which version answers where, and since when."),
    Command("history", "Versions", "Show what answered when, who let it, and why."),
    Command("show", "Versions", "Show what a version is made from, or what is different in another one."),
    Command("deploy", "Versions", "Try a version beside the one that answers, on a share of the requests or on copies."),
    Command("promote", "Versions", "Let another version answer."),
    Command("rollback", "Versions", "Let the version answer that did before."),
    Command("retire", "Versions", "Stop a version that runs beside the one that answers."),
    Command("prune", "Versions", "Remove versions that nothing needs any more."),
    Command("ledger", "Versions", "Check that the ledger is what was written."),
    Command("status", "Look", "Show how the stack is."),
    Command("diff", "Look", "Compare the answers of two versions to the same rows."),
    Command("drift", "Look", "Show whether live data still looks like the reference, or make drift on purpose."),
    Command("replay", "Look", "Ask versions again what they were asked, and compare with what was logged."),
    Command("logs", "Look", "Show what services wrote, or logged requests and errors."),
    Command("ls", "Look", "List the stacks of this machine."),
    Command("doctor", "Look", "Check this machine and this project."),
    Command("keys", "Set up", "Show who has a key to the API, give one, take one away."),
    Command("config", "Set up", "Show, check or describe sandbox.toml."),
    Command("completion", "Set up", "Print the completion script of a shell."),
    Command("help", "Set up", "Explain a command, a topic or an error code.", "help_"),
    Command("version", "Set up", "Print the version."),
)
