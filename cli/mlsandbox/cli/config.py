"""`sandbox config`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from mlsandbox.actions.config import ConfigResult, config
from mlsandbox.cli.session import Session
from mlsandbox.setting_docs import json_schema
from mlsandbox.views.tables import table

EXAMPLES = "$ sandbox config show --origin\n$ sandbox config validate\n$ sandbox config schema > sandbox.schema.json"


class What(StrEnum):
    """What to do with the configuration."""

    SHOW = "show"
    VALIDATE = "validate"
    PATH = "path"
    SCHEMA = "schema"


def command(
    session: Session,
    *,
    what: Annotated[What, typer.Argument(metavar="WHAT", help="show, validate, path or schema.")] = What.SHOW,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
) -> None:
    """All settings are described by: sandbox help config"""
    if what is What.SCHEMA:
        schema = json_schema()
        session.output.result("ConfigSchema", {"json_schema": schema}, json.dumps(schema, indent=2))
        return
    result = config(session.project())
    if what is What.PATH:
        session.output.result("ConfigPath", {"file": result.file}, str(result.file))
        return
    for warning in result.warnings if what is What.VALIDATE else ():
        session.output.warning(warning)
    session.output.result("Config", result, _validated(result) if what is What.VALIDATE else _shown(result, origin=origin))


def _shown(result: ConfigResult, *, origin: bool) -> str:
    rows = [(each.path, json.dumps(each.value, ensure_ascii=False), *((each.origin,) if origin else ())) for each in result.settings]
    return table(("setting", "value", *(("origin",) if origin else ())), rows)


def _validated(result: ConfigResult) -> str:
    reserved = [f"  {each.path} ({each.origin}) is reserved: it has no effect in this version" for each in result.settings if each.reserved]
    return "\n".join([f"{result.file} is valid", *reserved])
