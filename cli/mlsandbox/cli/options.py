"""The global options, spelled once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mlsandbox.output import Format
from mlsandbox.progress import Progress

PANEL: Final = "Global options"


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options that every command takes, before or after its name."""

    project: Path | None = None
    form: Format = Format.TEXT
    progress: Progress = Progress.AUTO
    no_color: bool = False
    quiet: bool = False
    debug: bool = False
    yes: bool = False
    no_input: bool = False
    dry_run: bool = False
    timeout: float | None = None
    """Seconds."""
    engine: str | None = None


def _option(*names: str, doc: str, metavar: str | None = None, variable: bool = True) -> Any:
    name = f"SANDBOX_{names[-1].strip('-').upper().replace('-', '_')}" if variable else None
    return typer.Option(*names, help=doc, envvar=name, show_envvar=False, rich_help_panel=PANEL, metavar=metavar, show_default=False)


def global_options(
    *,
    project: Annotated[
        Path | None, _option("-C", "--project", doc="Folder of the project (this, or the nearest above).", metavar="DIR")
    ] = None,
    output: Annotated[
        Format | None, _option("-o", "--output", doc="How results are written: text, json, yaml, env.", metavar="FORMAT")
    ] = None,
    json: Annotated[bool, _option("--json", doc="The same as -o json.")] = False,
    progress: Annotated[Progress | None, _option("--progress", doc="auto, tty, plain, json or quiet.", metavar="HOW")] = None,
    no_color: Annotated[bool, _option("--no-color", doc="No colours (NO_COLOR does the same).")] = False,
    quiet: Annotated[bool, _option("-q", "--quiet", doc="Results, warnings and errors alone.")] = False,
    debug: Annotated[bool, _option("-v", "--debug", doc="Show every program that is run, and tracebacks.")] = False,
    yes: Annotated[bool, _option("--yes", doc="Do not ask before something that cannot be undone.")] = False,
    no_input: Annotated[bool, _option("--no-input", doc="Never ask.")] = False,
    dry_run: Annotated[bool, _option("--dry-run", doc="Show what would be done, and why; change nothing.")] = False,
    timeout: Annotated[str | None, _option("--timeout", doc='Longest time to wait, such as "90s" or "2m".', metavar="TIME")] = None,
    # The project reads SANDBOX_ENGINE itself, and remembers it as the source.
    engine: Annotated[str | None, _option("--engine", doc="auto, docker or embedded.", metavar="ENGINE", variable=False)] = None,
) -> None:
    """Only its signature is used, by `binding`."""
