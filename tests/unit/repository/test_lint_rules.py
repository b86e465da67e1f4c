"""Exceptions from the linters are explained."""

from __future__ import annotations

import re

from support.repository import read, tracked

RULE = re.compile(r'"[A-Z]+[0-9]*"')
SILENCED = re.compile(r"#\s*(noqa|type: ignore)\b(?P<rest>.*)")
NAME = re.compile(r"[A-Z]+[0-9]+|[a-z]+(?:-[a-z]+)+|[a-z]+(?=\])")
EXPLAINED = re.compile(r"^(:|\[)\s*[\w, -]+\]?\s*([-—#:]\s*\S.+)$")


def test_ruff_ignores_explained() -> None:
    """Each rule that ruff ignores must have a comment saying why."""
    lint = (read("pyproject.toml") or "").partition("[tool.ruff.lint]")[2].partition("[tool.pytest")[0]
    bare = [line for line in lint.splitlines() if RULE.search(line) and "select" not in line and "#" not in line]

    assert bare == []


def test_noqa_explained() -> None:
    """A file that silences a linter must say why, at the first place of each rule."""
    bare = []
    for name in tracked("*.py"):
        explained: set[str] = set()
        for number, line in enumerate((read(name) or "").splitlines(), 1):
            found = SILENCED.search(line)
            rules = set(NAME.findall(found["rest"])) if found else set()
            if found and EXPLAINED.match(found["rest"]):
                explained |= rules
            elif found and not rules <= explained and "re.compile" not in line:
                bare.append(f"{name}:{number}: {line.strip()}")

    assert bare == []
