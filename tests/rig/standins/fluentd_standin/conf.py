"""Fluentd's configuration format as sections and parameters; of Ruby inside of values, only ENV, a URL in a file, and the host name."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_OPEN = re.compile(r"<(?P<name>[a-z_]+)(\s+(?P<argument>.*?))?>")
_RUBY = re.compile(r"#\{(?P<code>[^}]*)\}")
_ENV = re.compile(
    r"ENV(?:\[|\.fetch\()\s*['\"](?P<name>\w+)['\"]\s*(?:\]|\)|,)\s*(?:\|\|)?\s*(?:['\"](?P<default>[^'\"]*)['\"]|(?P<bare>\d+))?\s*\)?"
)
_URL_FILE = re.compile(r"\(file = ENV\['(?P<name>\w+)'\]\.to_s\)\.empty\? \? (?P<without>.+?) : (?P<read>.*File\..*)")
_WITH_NAME = re.compile(r"\w+://(?:%[0-9A-Fa-f]{2}|[\w!$&-.:;=~])+@(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d*)?(?:[/?#].*)?", re.ASCII)
"""A URL that Ruby takes, and finds a name in."""
_WORDS = re.compile(r"rescue URI::Error, ArgumentError; raise '(?P<words>[^']+)', cause: nil")
_SIZES = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class ConfError(Exception):
    """The file is malformed, or says something that this stand-in does not understand."""


@dataclass
class Section:
    """`<name argument> … </name>`."""

    name: str
    argument: str = ""
    values: dict[str, str] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    @property
    def type(self) -> str:
        return self.values.get("@type", "")

    def child(self, name: str) -> Section:
        """The first section of a name; an empty one when there is none."""
        return next((section for section in self.sections if section.name == name), Section(name))

    def walk(self) -> Iterator[Section]:
        yield self
        for section in self.sections:
            yield from section.walk()


def read(path: Path) -> Section:
    """The whole file as one section without a name."""
    root = Section("")
    stack = [root]
    for number, line in enumerate(_lines(path), 1):
        opened = _OPEN.fullmatch(line)
        if opened:
            section = Section(opened["name"], opened["argument"] or "")
            stack[-1].sections.append(section)
            stack.append(section)
        elif line.startswith("</"):
            if len(stack) < 2 or line != f"</{stack[-1].name}>":
                raise ConfError(f"{path}:{number}: {line} closes nothing")
            stack.pop()
        else:
            key, _, value = line.partition(" ")
            if key in stack[-1].values:
                raise ConfError(f"{path}:{number}: {key} stands twice in <{stack[-1].name}>")
            stack[-1].values[key] = _value(value.strip())
    if len(stack) > 1:
        raise ConfError(f"{path}: <{stack[-1].name}> is not closed")
    return root


def _lines(path: Path) -> Iterator[str]:
    collected = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()  # noqa: PLW2901  # the line without its indentation
        if not collected and (not line or line.startswith("#")):
            continue
        if not collected and line.startswith("@include"):
            yield from _lines(path.parent / line.split(maxsplit=1)[1])
            continue
        collected = f"{collected} {line}".strip()
        value = collected.partition(" ")[2].lstrip()
        if value[:1] in {"{", "["} and value.count(value[0]) > value.count({"{": "}", "[": "]"}[value[0]]):
            continue
        yield collected
        collected = ""


def _value(value: str) -> str:
    if value[:1] in {'"', "'"}:
        quote = value[0]
        end = value.rfind(quote)
        inner = value[1:end]
        return _RUBY.sub(_ruby, inner) if quote == '"' else inner
    return re.split(r"\s#\s", value)[0].strip()


def _ruby(found: re.Match[str]) -> str:
    code = found["code"].strip()
    choice = _URL_FILE.fullmatch(code)
    if choice:
        file = os.environ.get(choice["name"])
        if file:
            return _of_file(Path(file), choice["read"])
        code = choice["without"]
    if code == "use_nil":
        return ""
    variable = _ENV.match(code)
    if variable:
        given = os.environ.get(variable["name"]) or variable["default"] or variable["bare"]
        if given is None:
            raise ConfError(f"the environment variable {variable['name']} is not set")
        return given
    return socket.gethostname()


def _of_file(file: Path, code: str) -> str:
    """What the Ruby takes of a file with a URL: a part that it names, else all but name and password; or a file beside it."""
    beside = file.with_name("ca.crt")
    if beside.name in code:
        return str(beside) if beside.exists() else ""
    text = file.read_text(encoding="utf-8").strip()
    if "URI(" not in code:
        return re.sub(r"[^/]*@", "", text, count=1)
    if "@" in text and not _WITH_NAME.fullmatch(text):
        words = _WORDS.search(code)
        raise ConfError(words["words"] if words else f"bad URI(is not URI?): {text!r}")
    parts = urlsplit(text)
    return unquote((parts.username if ".user ||" in code else parts.password) or "")


def size(text: str) -> int:
    """Bytes of `8m`, `512MB`."""
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)b?", text.lower())
    if found is None:
        raise ConfError(f"{text!r} is not a size")
    return int(found[1]) * _SIZES.get(found[2], 1)


def seconds(text: str) -> float:
    """Seconds of `5s`, `1h`, `0.2`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.lower())
    if found is None:
        raise ConfError(f"{text!r} is not a time")
    return float(found[1]) * _TIMES.get(found[2], 1)
