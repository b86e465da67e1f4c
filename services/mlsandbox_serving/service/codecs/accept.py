"""Which format an answer gets: proactive negotiation as in RFC 9110, section 12.5.1."""

from __future__ import annotations

import functools
import re
from typing import Final

from mlsandbox_serving.service.answers import Encode
from mlsandbox_serving.service.codecs.encoders import ARROW_ANSWERS, CSV_ANSWERS, JSON_ANSWERS, NPY_LABELS, NPY_PROBABILITIES
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY, parameters

_OFFERS: Final[tuple[tuple[str, dict[str, str], Encode], ...]] = (
    (JSON, {"charset": "utf-8"}, JSON_ANSWERS),
    (CSV, {"charset": "utf-8", "header": "present"}, CSV_ANSWERS),
    (ARROW, {}, ARROW_ANSWERS),
    (NPY, {"content": "predictions"}, NPY_LABELS),
    (NPY, {"content": "probabilities"}, NPY_PROBABILITIES),
)
"""In our order: the first of those that a client likes equally well."""
_LONGEST: Final = 256
"""So much of a header is read: quotes that never end take time that grows with the square of it."""
_PART: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+', re.DOTALL)
_RANGE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_WEIGHT: Final = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def encoder_for(accept: str | None) -> Encode:
    """What writes the answer for an Accept header; JSON when it names nothing that there is, is broken, or is missing."""
    if accept is None:
        return JSON_ANSWERS
    if len(accept) <= _LONGEST:
        return _cached(accept)  # one client sends one header again and again
    return _choose(accept[:_LONGEST].rpartition(",")[0])  # what is cut through may say anything


def _choose(accept: str) -> Encode:
    ranges = [found for part in _PART.findall(accept.lower()) if (found := _read(part)) is not None]
    best, chosen = 0.0, JSON_ANSWERS
    for name, own, encode in _OFFERS:
        fitting = [(specific, weight) for kind, said, weight in ranges if (specific := _fits(kind, said, name, own)) is not None]
        # Of ranges that are equally specific the one that likes it more.
        weight = max(fitting, default=((0, 0), 0.0))[1]
        if weight > best:
            best, chosen = weight, encode
    return chosen


_cached = functools.lru_cache(maxsize=256)(_choose)


def _read(part: str) -> tuple[str, dict[str, str], float] | None:
    kind = part.partition(";")[0].strip()
    said = parameters(part)
    weight = said.pop("q", "1")
    if _RANGE.fullmatch(kind) is None or _WEIGHT.fullmatch(weight) is None:
        return None
    return kind, said, float(weight)


def _fits(kind: str, said: dict[str, str], name: str, own: dict[str, str]) -> tuple[int, int] | None:
    """How specific a range is for an offer; None when it does not mean it. Parameters that an offer does not know say nothing."""
    if kind == name:
        level = 2
    elif kind == f"{name.partition('/')[0]}/*":
        level = 1
    elif kind == "*/*":
        level = 0
    else:
        return None
    known = said.keys() & own.keys()
    return (level, len(known)) if all(said[key] == own[key] for key in known) else None
