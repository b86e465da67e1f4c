"""The files of this repository, as git lists them; asked once, at import."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LISTING = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
TRACKED = tuple(name for name in _LISTING.split("\0") if name and (ROOT / name).is_file())


def tracked(*patterns: str) -> list[str]:
    """Tracked files that match one of the patterns, relative to the root; `*` also matches `/`."""
    return [name for name in TRACKED if any(fnmatch(name, pattern) for pattern in patterns)]


def read(name: str) -> str | None:
    """Text of a tracked file; None for one that is not text."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@cache
def syntax(name: str) -> ast.Module:
    """Syntax tree of a tracked Python file."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), name)


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """All calls in a Python file with the dotted name of what is called ("subprocess.run", ".write_text" on any other expression)."""
    for node in ast.walk(syntax(name)):
        if isinstance(node, ast.Call):
            yield _called(node.func), node


def imports(name: str) -> set[str]:
    """Top-level names of all modules that a Python file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(syntax(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def _called(func: ast.expr) -> str:
    if isinstance(func, ast.Name):
        return func.id
    if isinstance(func, ast.Attribute):
        return f"{func.value.id if isinstance(func.value, ast.Name) else ''}.{func.attr}"
    return ""
