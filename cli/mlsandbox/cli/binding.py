"""Makes a command function one that takes the global options too, so that `sandbox up -o json` and `sandbox -o json up` mean the same."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from typing import Annotated, Any, Final, get_type_hints

import typer

from mlsandbox.cli.options import GlobalOptions, global_options
from mlsandbox.cli.session import Session
from mlsandbox.errors import UsageError
from mlsandbox.output import Format
from mlsandbox.setting_kinds import parse_seconds

DOCUMENTS: Final = (Format.TEXT, Format.JSON, Format.YAML)
"""The formats that every command knows."""
_PARAMETERS: Final = tuple(inspect.signature(global_options).parameters.values())
_HINTS: Final = get_type_hints(global_options, include_extras=True)


def bind(function: Callable[..., int | None], *, formats: tuple[Format, ...] = DOCUMENTS, root: bool = False) -> Callable[..., int]:
    """The function with the global options in its signature; its first parameter becomes the session made from them.

    Args:
        function: `def command(session: Session, *, …) -> Exit | None`, its other parameters being Typer's.
        formats: what -o may be for this command.
        root: for the options before the command's name, which alone read environment variables.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    hints = get_type_hints(function, include_extras=True)

    @functools.wraps(function)
    def run(ctx: typer.Context, **values: Any) -> int:
        session = ctx.find_object(Session) or Session()
        session.configure(_merged(session.options, {each.name: values.pop(each.name) for each in _PARAMETERS}))
        if root and ctx.invoked_subcommand is None:
            session.output.line(ctx.get_help())
        if not root and session.options.form not in formats:
            words = ", ".join(formats)
            raise UsageError(f"{ctx.command_path} writes {words}, not {session.options.form}", fix=f"use one of: -o {' | '.join(formats)}")
        return int(function(session, **values) or 0)

    def keyword(each: inspect.Parameter, annotation: Any) -> inspect.Parameter:
        return each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    shared = [keyword(each, _HINTS[each.name] if root else _without_variable(_HINTS[each.name])) for each in _PARAMETERS]
    signature = inspect.Signature([context, *(keyword(each, hints[each.name]) for each in own), *shared], return_annotation=int)
    run.__signature__ = signature  # type: ignore[attr-defined] # what inspect, and so Typer, reads
    run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    del run.__wrapped__  # functools sets it, and it would be read before __signature__
    return run


def _without_variable(annotation: Any) -> Any:
    option = copy(annotation.__metadata__[0])
    option.envvar = None
    return Annotated[annotation.__origin__, option]


def _merged(before: GlobalOptions, given: Mapping[str, Any]) -> GlobalOptions:
    """What stands after the command's name wins over what stands before it."""
    values = {name: value or getattr(before, name) for name, value in given.items() if name not in ("output", "json", "timeout")}
    form = Format.JSON if given["json"] else given["output"] or before.form
    try:
        timeout = before.timeout if given["timeout"] is None else parse_seconds(given["timeout"])
    except ValueError as problem:
        raise UsageError(f"--timeout {problem}", fix="write it as in: sandbox up --timeout 90s") from problem
    return GlobalOptions(form=form, timeout=timeout, **values)
