"""On which line of a TOML text each key stands, for messages and for `sandbox config show --origin`."""

from __future__ import annotations

import re

_KEY_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_HEADER = re.compile(rf"\s*\[{{1,2}}\s*({_KEY})\s*\]{{1,2}}")
_ASSIGNMENT = re.compile(rf"\s*({_KEY})\s*=")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]')


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Line number (from 1) of each table header and each key of a valid TOML text; keys of inline tables are not listed."""
    lines = text.splitlines(keepends=True)
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    index = 0
    while index < len(lines):
        line = lines[index]
        if header := _HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, index + 1)
        elif assignment := _ASSIGNMENT.match(line):
            found[(*table, *_parts(assignment[1]))] = index + 1
            index += _value_newlines("".join([line[assignment.end() :], *lines[index + 1 :]]))
        index += 1
    return found


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY_PART, key))


def _value_newlines(text: str) -> int:
    """Newlines inside the value that `text` begins with: 0 unless it is a multi-line string, array or inline table."""
    depth = newlines = position = 0
    while match := _TOKEN.search(text, position):
        mark, position = match[0], match.end()
        if mark in ('"""', "'''"):
            end = text.find(mark, position)
            if end < 0:
                return newlines
            newlines += text.count("\n", position, end)
            position = end + 3
        elif mark in ("[", "{"):
            depth += 1
        elif mark in ("]", "}"):
            depth -= 1
        elif mark == "\n":
            if depth == 0:
                return newlines
            newlines += 1
    return newlines
