"""Field types: which values they take, and what a value is compared as."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

_INTEGERS = {"long": 63, "integer": 31, "short": 15, "byte": 7}
_FLOATS = {"double", "float", "half_float", "scaled_float"}
_WORDS = {"keyword", "constant_keyword", "wildcard", "text", "match_only_text", "version", "search_as_you_type"}
TEXTS = {"text", "match_only_text", "search_as_you_type"}
NUMBERS = {*_INTEGERS, *_FLOATS, "unsigned_long"}
OBJECTS = {"object", "nested"}
TYPES = NUMBERS | _WORDS | OBJECTS | {"boolean", "date", "date_nanos", "ip", "flattened", "binary", "alias", "geo_point"}
_LONGEST_TERM = 32766
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "H": "hours", "d": "days", "w": "weeks"}
_ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2}(:\d{2}([.,]\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?)?)?")


def check(definition: dict[str, Any], value: Any) -> None:
    """Raise ValueError, in the words of the cause, when a field of this definition refuses the value."""
    kind = definition["type"]
    if isinstance(value, (dict, list)) and kind not in {"flattened", "geo_point"}:
        raise ValueError(f"Can't get text on a {'START_OBJECT' if isinstance(value, dict) else 'START_ARRAY'}")
    if kind in _INTEGERS or kind == "unsigned_long":
        low, high = (0, 2**64) if kind == "unsigned_long" else (-(2 ** _INTEGERS[kind]), 2 ** _INTEGERS[kind])
        if not low <= _number(value) < high:
            raise ValueError(f"Value [{value}] is out of range for a {kind}")
    elif kind in _FLOATS:
        if abs(_number(value)) == float("inf"):
            raise ValueError(f"[{kind}] supports only finite values, but got [{value}]")
    elif kind in _CHECKS:
        _CHECKS[kind](definition, value)


def comparable(definition: dict[str, Any], value: Any) -> Any:
    """What a value of a document or of a query is compared as."""
    kind = definition["type"]
    if kind in {"date", "date_nanos"}:
        return instant(definition, value)
    if kind in NUMBERS:
        return _number(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value) == "true"
    return text(value)


def text(value: Any) -> str:
    """A scalar as the keyword that it is indexed as."""
    return value if isinstance(value, str) else json.dumps(value)


def instant(definition: dict[str, Any], value: Any, now: datetime | None = None) -> float:
    """Epoch milliseconds of a date; understands `now-1h` and `…||-1d` in queries."""
    formats = definition.get("format", "strict_date_optional_time||epoch_millis").split("||")
    if isinstance(value, str):
        base, _, steps = value.partition("||")
        if base.startswith("now"):
            return _shifted((now or datetime.now(UTC)), base[3:]).timestamp() * 1000
        if steps:
            return _shifted(datetime.fromtimestamp(instant(definition, base) / 1000, UTC), steps).timestamp() * 1000
        if _ISO.fullmatch(value) and any(name.startswith(("strict_date", "date_", "iso8601", "yyyy")) for name in formats):
            return _moment(value).timestamp() * 1000
    if not isinstance(value, bool) and (isinstance(value, (int, float)) or re.fullmatch(r"-?\d+(\.\d+)?", str(value))):
        if "epoch_millis" in formats:
            return float(value)
        if "epoch_second" in formats:
            return float(value) * 1000
    raise ValueError(f"failed to parse date field [{value}] with format [{'||'.join(formats)}]")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"Current token ({json.dumps(value)}) not numeric")  # noqa: TRY004  # a value of the document, not of this program
    if isinstance(value, int):
        return value
    try:
        return float(value)
    except ValueError:
        raise ValueError(f'For input string: "{value}"') from None


def _keyword(definition: dict[str, Any], value: Any) -> None:
    size = len(text(value).encode(errors="surrogatepass"))
    if size > _LONGEST_TERM and len(text(value)) <= definition.get("ignore_above", 2**31):
        raise ValueError(f"bytes can be at most {_LONGEST_TERM} in length; got {size}")


def _boolean(_definition: dict[str, Any], value: Any) -> None:
    if value not in (True, False, "true", "false", "") or isinstance(value, (int, float)) is not isinstance(value, bool):
        raise ValueError(f"Failed to parse value [{value}] as only [true] or [false] are allowed.")


def _flattened(definition: dict[str, Any], value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError("Failed to parse object: expecting token of type [START_OBJECT]")  # noqa: TRY004  # a value of the document
    for leaf in leaves(value, definition.get("depth_limit", 20)):
        _keyword(definition, leaf)


def leaves(value: Any, depth: int) -> list[Any]:
    """All scalars below an object."""
    if depth < 0:
        raise ValueError("The provided [flattened] field exceeds the maximum depth limit.")
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner, depth - 1)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, depth)]
    return [] if value is None else [value]


def _ip(_definition: dict[str, Any], value: Any) -> None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"'{value}' is not an IP string literal.") from None


_CHECKS: dict[str, Callable[[dict[str, Any], Any], object]] = {
    "keyword": _keyword,
    "boolean": _boolean,
    "date": instant,
    "date_nanos": instant,
    "flattened": _flattened,
    "ip": _ip,
}


def _moment(value: str) -> datetime:
    value = value.replace(",", ".")
    if len(value) < len("2026-01-01"):
        value += "-01-01"[len(value) - 4 :]
    if "." in value:  # Python takes no nanoseconds
        head, tail = value.split(".")
        digits = re.match(r"\d+", tail)
        value = f"{head}.{digits[0][:6].ljust(6, '0')}{tail[digits.end() :]}" if digits else value
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shifted(moment: datetime, steps: str) -> datetime:
    for sign, amount, unit in re.findall(r"([+-/])(\d*)([smhHdw])", steps):
        if sign == "/":
            floor = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
            keep = {"d": 0, "h": 1, "H": 1, "m": 2, "s": 3}.get(unit, 0)
            moment = moment.replace(**dict(list(floor.items())[keep:]))  # type: ignore[arg-type]  # parts of a time of day
        else:
            moment += timedelta(**{_UNITS[unit]: int(sign + (amount or "1"))})
    return moment
