"""YAML that every reader takes alike: long-hand, in the order given, with every text that could be taken for something else in quotes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import yaml

from mlsandbox.render.yaml_load import load

_PLAIN: Final = re.compile(r"(--?)?[A-Za-z/][A-Za-z0-9_./@=-]*|[0-9]+[bms]")
"""No number, time, key or comment in any version of YAML; words such as "yes" are told by PyYAML."""
_WORDS: Final = frozenset("yYnN")
"""Truth values of YAML 1.1 (https://yaml.org/type/bool.html) that PyYAML takes for texts."""
_TEXT: Final = "tag:yaml.org,2002:str"
_LINE: Final = 160


class Dumper(yaml.SafeDumper):
    """Without anchors, with list items indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def dump(document: object, dumper: type[Dumper] = Dumper) -> str:
    """The document as text."""
    return yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False)


def represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """A text in one line, in quotes unless it can be nothing else."""
    return dumper.represent_scalar(_TEXT, value, style=None if _is_plain(value) else '"')


def represent_block(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """A text of several lines as it lies."""
    return dumper.represent_scalar(_TEXT, value, style="|")


@lru_cache(maxsize=4096)
def _is_plain(value: str) -> bool:
    return bool(_PLAIN.fullmatch(value)) and value not in _WORDS and isinstance(load(value), str)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    short = all(isinstance(each, str) for each in value) and sum(len(each) + 4 for each in value) < _LINE
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


Dumper.add_representer(str, represent_text)
Dumper.add_representer(list, _list)
