"""Manifests as text (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import yaml

from mlsandbox.render.yaml_dump import Dumper, dump, represent_block, represent_text

_BLOCK: Final = re.compile(r"\S[^\t\r\x85\u2028\u2029]*\n[^\t\r\x85\u2028\u2029]*")
"""Texts of several lines, but for those that PyYAML or another reader of YAML would not take as they lie."""
_COMMAND: Final = "sandbox export k8s"
_RULE: Final = "The next export writes it anew: changes belong in overlays/, whose files are yours once you have changed them."


class _ManifestDumper(Dumper):
    """Files within manifests are written as they lie."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return (represent_block if _BLOCK.fullmatch(value) else represent_text)(dumper, value)


_ManifestDumper.add_representer(str, _text)


def manifest_text(document: object) -> str:
    """One document, or a part of one: the same text for the same document."""
    return dump(_plain(document), _ManifestDumper)


def stream_text(documents: Sequence[object]) -> str:
    """Several, one after the other."""
    return "---\n".join(map(manifest_text, documents))


def comment(*lines: str) -> str:
    """Lines of a comment, out of which no text gets, whatever it has in it."""
    return "".join(f"# {line}\n" if line else "#\n" for text in lines for line in text.splitlines() or ("",))


def _plain(value: Any) -> Any:
    """Members of enumerations are the texts that they are, tuples are lists."""
    match value:
        case dict():
            return {_plain(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case str():
            return str(value)
    return value


@cache
def own_version() -> str:
    """This program's version."""
    return version("mlsandbox")


def written_by(command: str = _COMMAND) -> str:
    """Who wrote a file, and by what."""
    return f"Written by mlsandbox {own_version()}: {command}"


def header() -> str:
    """How every file begins that an export writes anew; the command is said once, so that another image changes no more than it must."""
    return comment(f"{written_by()} (README.md has the whole command).", _RULE)
