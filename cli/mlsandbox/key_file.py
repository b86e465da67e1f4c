"""The file of API keys, as the model service reads it: one on a line, with a name in front if need be (pure, but for `first_key`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINE: Final = re.compile(rf"(?:(?P<name>{NAME.pattern}):[ \t]*)?(?P<key>[A-Za-z0-9._~+/-]+=*)")


@dataclass(frozen=True, slots=True)
class Key:
    """One key."""

    name: str | None
    key: str = field(repr=False)
    line: int
    """Counted from 1."""


def parse_keys(text: str) -> tuple[Key, ...]:
    """The keys of a file; lines that are empty or begin with `#` hold none.

    Raises:
        ValueError: a line is no key; the text names its number, not what is in it.
    """
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"line {number} is neither a key nor `name: key`")
        found.append(Key(match["name"], match["key"], number))
    return tuple(found)


def first_key(file: Path) -> str | None:
    """The first key in a file; None when there is none that can be read."""
    try:
        keys = parse_keys(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return keys[0].key if keys else None
