"""docs/runbook.md by alert: what each one means and what to do about it."""

from __future__ import annotations

import re
from typing import Final

from mlsandbox.assets import asset

_HEADING: Final = re.compile(r"^## (\w+)\n+", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def sections() -> dict[str, str]:
    """The section of each alert, by its name, as text for a terminal.

    Raises:
        AssetsMissing: the page is not part of this installation.
    """
    _, *found = _HEADING.split(asset("docs/runbook.md"))
    return {name: _plain(text) for name, text in zip(found[::2], found[1::2], strict=True)}


def _plain(text: str) -> str:
    """Without Markdown's marks: fences, bold, and where links lead."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("```")]
    return _LINK.sub(r"\1", "\n".join(lines)).replace("**", "")
