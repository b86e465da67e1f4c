"""Text as a terminal may show it: what comes out of logs, models and files must not move the cursor, hide or recolour anything."""

from __future__ import annotations

import re
from typing import Final

COLOURS: Final = ("0", "1", "2", "31", "32", "33", "36")
"""Codes that `output.Paint` writes."""
_OWN: Final = rf"\x1b\[(?:{'|'.join(COLOURS)})m"
_CONTROL: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # the C0 and C1 controls, without tabulator and newline
    "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\u2028\u2029\ufeff"
)
_WITH_COLOURS: Final = re.compile(f"({_OWN})|([{_CONTROL}])")
_PLAIN: Final = re.compile(f"(?!)()|([{_CONTROL}])")


def visible(text: str, *, coloured: bool) -> str:
    """The text with control characters spelled out as Python spells them; with `coloured` our own colours stay."""
    return (_WITH_COLOURS if coloured else _PLAIN).sub(lambda found: found[1] or _spelled(found[2]), text)


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
