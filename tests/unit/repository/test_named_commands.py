"""Commands that errors, results and pages name must be there, with the options and arguments that are named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from typer.core import TyperCommand

from mlsandbox.cli.commands import COMMANDS
from support.repository import calls, read, syntax, tracked

SOURCES = tracked("cli/mlsandbox/*.py")
PAGES = tracked("README.md", "docs/*.md")
NAMES = {command.name: command for command in COMMANDS}
WORD = r"(?:[a-z]+(?![\w.:/-])|@value@)"
NAMED = re.compile(rf"(?<![\w/.`-])sandbox (?:-C \S+ )?({WORD})")
"""`sandbox WORD`, as it may be typed."""
END = re.compile(r" {2,}|[`\";:#\n|]|\)(?!@)|, | or | and |\. |(?<![\w-])sandbox ")
"""What a command that is named ends before, at the latest."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def text(node: ast.expr) -> str:
    """Literal text of a string; what is only known later becomes `@value@`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) for part in node.values)
    return "@value@"


def strings(name: str) -> Iterator[tuple[str, str]]:
    """Each string of a file but those that are parts of others, with its place."""
    parts = {id(part) for node in ast.walk(syntax(name)) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(syntax(name)):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts:
            yield f"{name}:{node.lineno}", text(node)


def named(written: str) -> Iterator[tuple[str, str]]:
    """Each command that a text names, and what follows its name."""
    for found in NAMED.finditer(written):
        yield found[1], END.split(written[found.end() :], maxsplit=1)[0]


@cache
def command(name: str) -> TyperCommand:
    return NAMES[name].load()


@cache
def options(name: str) -> frozenset[str]:
    return frozenset(word for param in command(name).params for word in (*param.opts, *param.secondary_opts)) | {"--help"}


def unknown(name: str, rest: str) -> list[str]:
    """The options that a command is said to have and has not."""
    return sorted(set(OPTION.findall(rest)) - options(name))


def test_options_that_are_named() -> None:
    """Each option in a text of the tool, or on a page, must be one of the command in front of it."""
    written = [each for name in SOURCES for each in strings(name)] + [(name, read(name) or "") for name in PAGES]
    found = [(place, name, rest) for place, each in written for name, rest in named(each) if name in NAMES]

    assert len(found) > 300
    assert [(place, name, bad) for place, name, rest in found if (bad := unknown(name, rest))] == []


def test_commands_of_fixes() -> None:
    """The command that a fix names must be there, and be given the arguments that it cannot do without."""
    fixes = [
        (f"{name}:{node.lineno}", text(keyword.value))
        for name in SOURCES
        for _, node in calls(name)
        for keyword in node.keywords
        if keyword.arg == "fix"
    ]
    found = [(place, name, rest) for place, fix in fixes for name, rest in named(fix)]

    assert len(found) > 100
    assert [(place, name) for place, name, _ in found if name not in {*NAMES, "@value@"}] == []
    assert [(place, name) for place, name, rest in found if name in NAMES and lacks(name, rest)] == []


def lacks(name: str, rest: str) -> bool:
    """Whether an argument is missing that the command cannot do without."""
    needed = [param for param in command(name).params if param.param_type_name == "argument" and param.required]
    return len([word for word in rest.split() if not word.startswith("-")]) < len(needed) and "--help" not in rest


@pytest.mark.parametrize(
    ("written", "bad"),
    [
        ("try: sandbox up --version v2", ["--version"]),
        ("sandbox promote v2 --gate g.toml   or: sandbox diff v1 v2 --data FILE", []),
        ("`sandbox -C x deploy v2 --as challenger --split 10%` or --nonsense", []),
    ],
)
def test_what_is_checked(written: str, bad: list[str]) -> None:
    """An option that a command has not must be found, and options of other commands must not be held against it."""
    assert [option for name, rest in named(written) for option in unknown(name, rest)] == bad
    assert lacks("retire", "")
    assert not lacks("retire", " @value@")
