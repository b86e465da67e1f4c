"""YAML as Compose reads it: long-hand, in the order given, and with every text that could be taken for something else in quotes."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_PLAIN: Final = re.compile(r"(--?)?[A-Za-z/][A-Za-z0-9_./@=-]*|[0-9]+[bms]")
"""No number, time, key or comment in any version of YAML; words such as "yes" are told by PyYAML."""
_TEXT: Final = "tag:yaml.org,2002:str"
_LINE: Final = 160


def yaml_text(document: dict[str, Any]) -> str:
    """The document as text; `$` in values is doubled, which is how Compose is told to leave it alone."""
    return yaml.dump(_escaped(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False)


class _Dumper(yaml.SafeDumper):
    """Without anchors, with list items indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(value) and isinstance(yaml.safe_load(value), str)
    return dumper.represent_scalar(_TEXT, value, style=None if plain else '"')


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    short = all(isinstance(each, str) for each in value) and sum(len(each) + 4 for each in value) < _LINE
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def _escaped(value: Any) -> Any:
    match value:
        case dict():
            return {name: _escaped(each) for name, each in value.items()}
        case list():
            return [_escaped(each) for each in value]
        case str():
            return value.replace("$", "$$")
    return value
