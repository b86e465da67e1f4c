"""Text of events and models as a page or a log may show it: nothing of it may hide something, or turn what stands beside it around; on a
page nothing of it may be markup, either.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

_CONTROL: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # the C0 and C1 controls, without tabulator and newline
    "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\u2028\u2029\ufeff"
    "\ud800-\udfff"  # halves of characters
    "]"
)


def spelled(text: str) -> str:
    """The text, with control characters spelled out as Python spells them; tabulators and newlines stay."""
    return _CONTROL.sub(lambda found: _escape_of(ord(found[0])), text)


def shown(text: str) -> str:
    """The same as text of a page."""
    return escape(spelled(text))


def isolated(text: str) -> str:
    """The same as an element whose direction of writing is its own."""
    return f"<bdi>{shown(text)}</bdi>"


def _escape_of(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
