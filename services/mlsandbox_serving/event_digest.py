"""The digest of a prediction's event, by which a changed one is known: made by who writes it, and again by who reads it from a store.

It is over what a replay needs of the event and compares with. Stores keep an event as JSON, so what the digest is over is the event as
JSON says it: the order of keys does not count, how a number is spelled does not count, and that 1 and 1.0 differ does. It has no key:
it tells of an event that was changed, not of one that was made up together with its digest.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

import msgpack
import msgspec

from mlsandbox_serving.contract import Field
from mlsandbox_serving.spool.entry import packed

SCHEME: Final = "blake2b-1:"
"""What a digest begins with: the way in which it was made."""
_BYTES: Final = 20
_DEEPEST: Final = 64
_SCALARS: Final = frozenset({str, int, float, bool, NoneType})
_SCALARS_AND_LISTS: Final = _SCALARS | {list}
_blake: Final = hashlib.blake2b
_encode: Final = msgspec.msgpack.Encoder(order="sorted").encode
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


class Undigestible(ValueError):
    """An event holds what no digest can be made of."""


def digest_of(event: Mapping[str, Any]) -> str:
    """The digest of an event as a store gives it back, as a mapping of flat names.

    Raises:
        Undigestible: there is none of what it holds.
    """
    try:
        return digest(tuple(event.get(name) for name in _FIELDS))
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass  # not what was written: half of a surrogate pair, an integer of more than 64 bits
    try:
        return digest(tuple(as_stored(event.get(name)) for name in _FIELDS))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Undigestible(type(error).__name__) from error


def digest(values: tuple[Any, ...]) -> str:
    """The digest of the values of one event, in the order in which `digest_of` takes them.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: what msgspec raises for what it refuses.
    """
    return SCHEME + _blake(_encode(values), digest_size=_BYTES).hexdigest()


def is_plain(values: list[Any]) -> bool:
    """Whether they are JSON values: of a date, say, msgspec would make something else than our stores expect."""
    kinds = set(map(type, values))
    return kinds <= _SCALARS or (kinds <= _SCALARS_AND_LISTS and all(is_plain(value) for value in values if type(value) is list))


def as_stored(value: Any) -> Any:
    """A value of an event as a store gives it back; the same again for what a store gave.

    Raises:
        spool.entry.Unencodable: it has no such form.
    """
    if type(value) is list and is_plain(value) and not _has_infinities(value):
        return value
    return _json_value(msgpack.unpackb(packed({"": value}), strict_map_key=False)[""], 0)


def _has_infinities(values: list[Any]) -> bool:
    return any(_has_infinities(value) if type(value) is list else type(value) is float and not math.isfinite(value) for value in values)


def _json_value(value: Any, depth: int) -> Any:
    """As the log store writes what is no JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
        return [_json_value(item, depth + 1) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
