"""Values as events carry them, read without ever failing: what is no number, no date or no category is missing.

An event is JSON that somebody else's client sent, so a column may hold anything; a monitor that stops at the first odd value, or goes
blind because of it, is of no use exactly when it is needed.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from types import NoneType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = list[Any] | NDArray[Any]
Floats = NDArray[np.float64]

_NUMBERS: Final = frozenset({int, float, bool, NoneType})
_MISSING_MARKS: Final = frozenset({"NAType", "NaTType"})
"""Types of pandas' marks, known by their names, since pandas is not needed here."""
_LONGEST_KEY: Final = 64
_WHOLE: Final = 1e15
"""Up to here a whole number written as a float and as an integer is the same text."""


def sequence(values: Any) -> Values | None:
    """A column as it is handed over, as a list or a one-dimensional array; None for what is no sequence of values."""
    if isinstance(values, np.ndarray):
        return values if values.ndim == 1 else list(values) if values.ndim else None
    if isinstance(values, list):
        return values
    if values is None or isinstance(values, str | bytes | Mapping):
        return None
    if hasattr(values, "__array__"):
        return sequence(np.asarray(values))
    return list(values) if isinstance(values, Sequence) else None


def padded(values: Values | None, rows: int) -> Values:
    """Exactly `rows` values: None for those that are not there."""
    if values is None:
        return [None] * rows
    if len(values) == rows:
        return values
    return [*list(values)[:rows], *[None] * (rows - len(values))]


def numbers(values: Values) -> Floats:
    """One float per value; NaN for what is not a finite number. True counts as 1, as everywhere in Python."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "biuf":
            return _finite(values.astype(np.float64))
        values = values.tolist()
    if _NUMBERS.issuperset(map(type, values)):
        try:
            return _finite(np.array(values, dtype=np.float64))
        except OverflowError:
            pass  # an integer of more than 308 digits
    return np.fromiter(map(_number, values), dtype=np.float64, count=len(values))


def instants(values: Values) -> Floats:
    """Seconds since 1970 of dates and ISO texts, those without an offset taken as UTC; NaN for what is no date."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(values), np.nan, seconds)
    return np.fromiter(map(_instant, values), dtype=np.float64, count=len(values))


def key(value: Any) -> str | None:
    """The text by which a category is known, at most 64 characters; None for a missing value.

    1, 1.0, True and "1" are one category: whether a code is written as a number or as a text is not drift.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, int | float):
        return _number_key(value)
    if value is None or type(value).__name__ in _MISSING_MARKS:
        return None
    return value.isoformat() if isinstance(value, date) else _short(_json(value))


def frequencies(values: Values) -> dict[str, int]:
    """How often each category occurs, by its key; missing values are none."""
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        counted = Counter(plain)
    except TypeError:  # a list or an object among them
        counted = Counter(map(key, plain))
    found: dict[str, int] = {}
    for value, count in counted.items():
        name = key(value)
        if name is not None:
            found[name] = found.get(name, 0) + count
    return found


def digest(text: str) -> int:
    """64 bits of a category's key: how the rarer ones are remembered."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def digests(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Ascending digests of several keys."""
    return np.array(sorted({digest(text) for text in texts}), dtype=np.uint64)


def _finite(array: Floats) -> Floats:
    array[np.isinf(array)] = np.nan
    return array


def _number(value: Any) -> float:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max
    return number if math.isfinite(number) else math.nan


def _instant(value: Any) -> float:
    try:
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[us]").item()
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if not isinstance(value, datetime) or value != value:  # noqa: PLR0124  # NaT is a datetime that differs from itself
            return math.nan
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def _number_key(number: Any) -> str | None:
    if isinstance(number, float) and not math.isfinite(number):
        return None
    if abs(number) < _WHOLE and number == int(number):
        return str(int(number))
    return repr(number) if isinstance(number, float) else _short(hex(number))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_KEY else f"{text[: _LONGEST_KEY - 17]}~{digest(text):016x}"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
