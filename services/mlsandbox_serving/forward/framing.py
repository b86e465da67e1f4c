"""Where messages end and how many values they hold, read off their headers: before memory is taken for what they say they are.

A MessagePack of a few kilobytes can become gigabytes of Python objects, as an empty list is one byte of it. Each value is at least one
byte, so what is small needs no counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MOST_VALUES: Final = 1024 * 1024
"""Values of one message, those within each other included. A shipper sends at most as many bytes at a time, or one event."""
_DEEPEST: Final = 1_000
"""Values within each other; the decoder gives up at about as many."""
_SIZES: Final = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}
_KNOWN: Final = {
    **dict.fromkeys((*range(0x80), *range(0xE0, 0x100)), (1, 0)),  # small integers
    **{0x80 + items: (1, 2 * items) for items in range(16)},
    **{0x90 + items: (1, items) for items in range(16)},
    **{0xA0 + length: (1 + length, 0) for length in range(32)},
    **{kind: (size, 0) for kind, size in _SIZES.items()},
    **{0xD4 + power: (2 + 2**power, 0) for power in range(5)},
}
"""Bytes of a value and how many values are in it, where its first byte says so."""
_TEXTS: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_EXTENSIONS: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_CONTAINERS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


class Framing:
    """Cuts what arrives into whole messages.

    Args:
        limit: bytes of one message.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._begin()

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The messages that are whole now.

        Raises:
            ValueError: it is no MessagePack, or a message is too large.
        """
        self._held += received
        while self._go_on():
            yield bytes(self._held[: self._place])
            del self._held[: self._place]
            self._begin()

    def _begin(self) -> None:
        self._place, self._values = 0, 0
        self._wanted = [1]
        """How many values are still to come, of the message and of each one that is open in it."""

    def _go_on(self) -> bool:
        """Whether the first message is whole."""
        held, end = self._held, len(self._held)
        wanted = self._wanted
        while wanted and self._place < end:
            found = _header(held, self._place)
            if found is None:
                return False
            self._place, children = found
            if self._place > self._limit:
                raise ValueError(f"a message of more than {self._limit:,} bytes")
            self._values += 1
            wanted[-1] -= 1
            if children:
                wanted.append(children)
            while wanted and not wanted[-1]:
                wanted.pop()
            if self._values + children > MOST_VALUES or len(wanted) > _DEEPEST:
                raise ValueError(f"a message of more than {MOST_VALUES:,} values, or more than {_DEEPEST} within each other")
        return not wanted and self._place <= end


def holds_too_much(packed: bytes) -> bool:
    """Whether there are more than MOST_VALUES; what is no MessagePack is for its decoder to refuse."""
    place, values = 0, 0
    while len(packed) > MOST_VALUES and place < len(packed):
        found = _header(packed, place)
        if found is None:
            return False
        place, values = found[0], values + 1
        if values + found[1] > MOST_VALUES:
            return True
    return False


def _header(packed: bytes | bytearray, place: int) -> tuple[int, int] | None:
    """Where the next value begins, and how many values are in this one; None when its header is not whole.

    Raises:
        ValueError: there is no such header.
    """
    kind = packed[place]
    known = _KNOWN.get(kind)
    if known is not None:
        return place + known[0], known[1]
    container = _CONTAINERS.get(kind)
    width = container[0] if container else _TEXTS.get(kind) or _EXTENSIONS.get(kind)
    if width is None:
        raise ValueError(f"no MessagePack begins with byte {kind:#x}")
    after = place + 1 + width
    if after > len(packed):
        return None
    length = int.from_bytes(packed[place + 1 : after], "big")
    if container:
        return after, length * container[1]
    return after + length + (kind in _EXTENSIONS), 0
