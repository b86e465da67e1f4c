"""Fluentd's configuration files as sections and parameters, with `@include` followed and Ruby left as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_OPEN = re.compile(r"<([a-z_]+)(?: +(.+?))?>")
_ENV = re.compile(r"ENV\['(\w+)'\](?: \|\| '([^']*)')?")
_UNITS = {"KB": 1024, "MB": 1024**2, "GB": 1024**3}


@dataclass
class Section:
    """`<name argument> … </name>`."""

    name: str
    argument: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    def all(self, name: str, argument: str | None = None) -> list[Section]:
        """Sections of a name (and argument) directly below."""
        return [each for each in self.sections if each.name == name and argument in (None, each.argument)]

    def one(self, name: str, argument: str | None = None) -> Section:
        """The only section of that name."""
        (found,) = self.all(name, argument)
        return found

    def walk(self) -> Iterator[Section]:
        """This section and all below."""
        yield self
        for section in self.sections:
            yield from section.walk()


def read(path: Path) -> Section:
    """The whole file as one section without a name.

    Raises:
        ValueError: a parameter stands twice, or a section is not closed.
    """
    root = Section("")
    stack = [root]
    for line in _lines(path):
        opened = _OPEN.fullmatch(line)
        if opened:
            section = Section(opened[1], opened[2] or "")
            stack[-1].sections.append(section)
            stack.append(section)
        elif line.startswith("</"):
            if line != f"</{stack.pop().name}>":
                raise ValueError(f"{path}: {line} closes another section")
        else:
            key, _, value = line.partition(" ")
            if key in stack[-1].parameters:
                raise ValueError(f"{path}: {key} stands twice in <{stack[-1].name}>")
            stack[-1].parameters[key] = value.strip().strip('"')
    if len(stack) > 1:
        raise ValueError(f"{path}: <{stack[-1].name}> is not closed")
    return root


def variables(text: str) -> dict[str, str]:
    """Environment variables that a text uses, and what it says when they are not set; "" for nothing."""
    return dict(_ENV.findall(text))


def size(text: str) -> int:
    """Bytes of "36MB"."""
    return int(text[:-2]) * _UNITS[text[-2:]]


def seconds(text: str) -> float:
    """Seconds of "30s"."""
    return float(text.removesuffix("s"))


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("@include "):
            yield from _lines(path.parent / text.split()[1])
        elif text and not text.startswith("#"):
            yield text
