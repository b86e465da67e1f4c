"""Requests that offer another protocol, read as if they did not (RFC 9110, section 7.8): Java's HTTP client sends them by default.

httptools takes such a request to end with its head: its body would be lost, or be read as the next request. So its head is written
once more without the offer, and read by another parser, with all that came behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_OFFER: Final = b"upgrade"


def without_offer(method: bytes, url: bytes, version: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of the same request without its `Upgrade`.

    Nothing else changes, neither the order of headers nor those that say where the body ends: the parser refuses in both runs what it
    refuses without an offer. What it has let through holds no CR, LF or NUL, no folded line, and no name with a space: a line here
    is a line there. `Connection: Upgrade` stays, and means nothing without an `Upgrade`.

    Args:
        method: as it came; never CONNECT, which is no offer.
        url: as it came.
        version: such as `1.1`.
        headers: names in any case.
    """
    lines = [b"%b %b HTTP/%b" % (method, url, version)]
    lines += [b"%b: %b" % header for header in headers if header[0].lower() != _OFFER]
    return b"\r\n".join(lines) + b"\r\n\r\n"
