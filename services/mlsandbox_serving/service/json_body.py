"""A request's body as JSON, or what is wrong with it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final

import msgspec

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.refusal import RequestRefused, unreadable

_KEY_END: Final = re.compile(rb'"\s*:')
_BRACKET_OR_TEXT: Final = re.compile(rb'[\[{\]}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Of UTF-8 and of both orders of UTF-16; RFC 8259, section 8.1, allows to refuse them."""
_BEGIN: Final = re.compile(rb'\s*+(?:[\[{"\-0-9]|true\b|false\b|null\b)')
_DEEPEST: Final = 1_000
_TOO_DEEP: Final = "the body cannot be read as JSON: it is nested too deeply"


def parse(body: bytes, forms: str) -> Any:
    """The JSON of a body.

    Args:
        body: as it was sent.
        forms: what it must be, as a phrase.

    Raises:
        RequestRefused: 400, it is none.
    """
    if not body.strip():
        raise unreadable(f"the body is empty; it must be JSON: {forms}")
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        _refuse_marked(body)
        raise unreadable(f"the body is not UTF-8 (byte {error.start})") from None
    except (msgspec.DecodeError, ValueError) as error:
        _refuse_marked(body)
        # The reader's words for it name a place in the typed form that it had in mind.
        reason = "a number is out of the range of float64" if "out of range" in str(error) else f"{error}{_hint(body)}"
        raise unreadable(f"the body cannot be read as JSON: {reason}") from None
    except RecursionError:
        raise unreadable(_TOO_DEEP) from None


class Names(dict[str, Any]):
    """An object that remembers which of its names came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs) if len(self) < len(pairs) else {}
        self.repeated = [name for name, count in counts.items() if count > 1]


def refuse_crowded(body: bytes, most: int, max_rows: int) -> None:
    """Refuse JSON of more lists and objects than so many rows need, before they are made: a few megabytes can be millions.

    Args:
        body: as it was sent.
        most: so many lists and objects are taken.
        max_rows: so many rows are.

    Raises:
        RequestRefused: 413; 400 where they lie one in the other.
    """
    if len(body) <= 2 * most or body.count(b"[") + body.count(b"{") <= most:
        return
    found = depth = 0
    for match in _BRACKET_OR_TEXT.finditer(body):
        step = _BRACKETS.get(match[0], 0)
        found += step > 0
        depth += step
        if depth > _DEEPEST:
            raise unreadable(_TOO_DEEP)
        if found <= most:
            continue
        message = f"more than {most} lists and objects in one request, where {max_rows} rows are taken: send several"
        raise RequestRefused(413, ErrorCode.TOO_MANY_ROWS, message, details={"limit": max_rows})


def has_names(body: bytes, names: int) -> bool:
    """Whether so many names occur in JSON: any decoder silently drops one that is sent twice.

    Each name ends in a quote and a colon. Those in texts can only make it look like more names, so that equal numbers prove that there
    is no further one.
    """
    if body.count(b":") == names:
        return True
    return body.count(b'":') <= names and len(_KEY_END.findall(body)) == names


def parse_names(body: bytes) -> Any:
    """JSON that has been read already, with `Names` for objects.

    Raises:
        RequestRefused: 400, it is nested too deeply, for which this reader has a little less room than the other; or a part of it is not
            UTF-8 at which the other did not look.
    """
    try:
        # Nobody looks at the numbers: as floats they may have as many digits as they like.
        return json.loads(body, object_pairs_hook=Names, parse_int=float)
    except ValueError as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "a text holds control characters"
        raise unreadable(f"the body cannot be read as JSON: {reason}") from None
    except RecursionError:
        raise unreadable(_TOO_DEEP) from None


def _refuse_marked(body: bytes) -> None:
    if body.startswith(_MARKS):
        raise unreadable("the body starts with a byte order mark: send UTF-8 without it")
    if b"\0" in body[:2]:
        raise unreadable("the body looks like UTF-16 or UTF-32: send UTF-8")


def _hint(body: bytes) -> str:
    if _has_nan(body):
        return "; JSON has no NaN or Infinity: send null where the model knows missing values"
    if _BEGIN.match(body) is None:
        return "; it does not begin like JSON: does its content type say what it is (text/csv for CSV)?"
    return ""


def _has_nan(body: bytes) -> bool:
    return re.search(rb"[\[:,]\s*(NaN|-?Infinity|nan|-?inf)\b", body) is not None
