"""The digest of a prediction's event, by which a changed one is known: made by who writes it, and again beside the store that kept it.

It is over what a replay needs of the event and compares with, in MessagePack, each number and text in its shortest form and keys sorted.
Stores keep an event as JSON: the order of its keys does not count, nor how a number is spelled, but that 1 and 1.0 differ does. It has
no key: it tells of an event that was changed, not of one that was made up together with its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgpack

from mlsandbox_serving.contract import Field

SCHEME: Final = "blake2b-1:"
"""What a digest begins with: the way in which it was made."""
_BYTES: Final = 20
_FIELDS: Final = (
    Field.EVENT_ID,
    Field.REQUEST_ID,
    Field.TIMESTAMP,
    Field.MODEL,
    Field.VERSION,
    Field.DIGEST,
    Field.ROWS,
    Field.INPUTS,
    Field.PREDICTIONS,
    Field.PROBABILITIES,
    Field.TRUNCATED,
)
"""In this order, None for what an event does not have."""
_blake: Final = hashlib.blake2b


def sealed(packed: bytes) -> str:
    """The digest of an event whose fields, in their order, are packed as an array."""
    return SCHEME + _blake(packed, digest_size=_BYTES).hexdigest()


def digest_of(event: Mapping[str, Any]) -> str:
    """The digest of an event as a store gives it back, under flat names.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: it is not what a store gives back.
    """
    return sealed(msgpack.packb(_sorted([event.get(name) for name in _FIELDS])))


def fits(event: Mapping[str, Any]) -> bool | None:
    """Whether an event, as a store gives it back under flat names, is the one that was written; None: it has no digest that we know."""
    given = event.get(Field.EVENT_HASH)
    if not isinstance(given, str) or not given.startswith(SCHEME):
        return None
    try:
        return digest_of(event) == given
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False  # what is written is packed first


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return list(map(_sorted, value)) if isinstance(value, list) else value
