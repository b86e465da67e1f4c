"""What the settings are, read from their definitions: the JSON Schema of sandbox.toml, and a list for the help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Final

from mlsandbox.setting_kinds import Kind, NamedTables, NamedValues, Table
from mlsandbox.settings import Settings

SCHEMA_NAME: Final = "sandbox.schema.json"


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting, for people."""

    path: str
    """Dotted; <name> stands for what the user chooses."""
    doc: str
    default: object
    """As written in sandbox.toml; None when there is none."""
    reserved: bool


def json_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of sandbox.toml."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sandbox.toml",
        "description": "A project of the sandbox command: models and how they are served.",
        **_table_schema(Settings),
    }


def describe_settings(type_: type = Settings, prefix: str = "") -> Iterator[SettingDoc]:
    """Every setting in the order of its definition."""
    for each in _settings(type_):
        kind, path = each.metadata["kind"], prefix + _key(each)
        if isinstance(kind, Table):
            yield from describe_settings(kind.type, f"{path}.")
        elif isinstance(kind, NamedTables):
            yield from describe_settings(kind.type, f"{path}.<name>.")
        elif isinstance(kind, NamedValues):
            yield SettingDoc(f"{path}.<name>", each.metadata["doc"], None, each.metadata["reserved"])
        else:
            yield SettingDoc(path, each.metadata["doc"], _default(each, kind), each.metadata["reserved"])


def _table_schema(type_: type) -> dict[str, object]:
    properties = {_key(each): _setting_schema(each) for each in _settings(type_)}
    required = [_key(each) for each in _settings(type_) if _is_required(each)]
    return {"type": "object", "additionalProperties": False, "properties": properties, **({"required": required} if required else {})}


def _setting_schema(each: Field[Any]) -> dict[str, object]:
    kind = each.metadata["kind"]
    reserved = " Reserved: no effect in this version." if each.metadata["reserved"] else ""
    doc = {"description": each.metadata["doc"] + reserved}
    if isinstance(kind, Table):
        return {**doc, **_table_schema(kind.type)}
    if isinstance(kind, NamedTables):
        pattern = f"^{kind.name.pattern}$"
        return {
            **doc,
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "patternProperties": {pattern: _table_schema(kind.type)},
        }
    if isinstance(kind, NamedValues):
        pattern = f"^{kind.name.pattern}$"
        return {**doc, "type": "object", "additionalProperties": False, "patternProperties": {pattern: kind.item.json_schema()}}
    default = _default(each, kind)
    return {**doc, **kind.json_schema(), **({} if default is None else {"default": default})}


def _settings(type_: type) -> list[Field[Any]]:
    return [each for each in fields(type_) if "kind" in each.metadata]


def _key(each: Field[Any]) -> str:
    return str(each.metadata["key"] or each.name)


def _is_required(each: Field[Any]) -> bool:
    return (each.default is MISSING and each.default_factory is MISSING) or isinstance(each.metadata["kind"], NamedTables)


def _default(each: Field[Any], kind: Kind) -> object:
    return None if each.default is MISSING or each.default is None else kind.plain(each.default, Path("/"))
