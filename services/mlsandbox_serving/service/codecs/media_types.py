"""Which formats a body may have, and what its Content-Type says of it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final, NoReturn

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.refusal import RequestRefused

JSON: Final = "application/json"
CSV: Final = "text/csv"
ARROW: Final = "application/vnd.apache.arrow.stream"
"""https://www.iana.org/assignments/media-types/application/vnd.apache.arrow.stream"""
NPY: Final = "application/x-npy"
"""Of no registry; the format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"""

MEDIA_TYPES: Final = (JSON, CSV, ARROW, NPY)
"""All that is read, the usual one first."""

_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_FORM: Final = "multipart/form-data"
_TABLE: Final = re.compile("csv|tab-separated|tsv|ms-excel")
_LONGEST: Final = 256
_PARAMETER: Final = re.compile(r';[ \t]*(?P<name>[^\s;=",]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s;",]*))', re.DOTALL)


def media_type(content_type: str, taken: tuple[str, ...] = MEDIA_TYPES) -> str:
    """What a Content-Type header names, in small letters and without parameters; every `+json` type is JSON.

    Args:
        content_type: the header; empty when there was none. A body without a type is refused: other than for one that is called JSON,
            CSV, …, a page of another site can make a browser send it unasked.
        taken: the types that the route takes.

    Raises:
        RequestRefused: 415; the header `accept` of the answer says what is taken.
    """
    # Longer ones are no type that is taken, and would fill the cache.
    return _media_type(content_type[:_LONGEST], taken)


def refuse_compressed(headers: Mapping[str, str]) -> None:
    """Refuse a body that is said to be compressed: it would be as large as its sender likes when it is not.

    Raises:
        RequestRefused: 415.
    """
    encoding = headers.get("content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        message = "the body must not be compressed"
        raise RequestRefused(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, message, headers={"accept-encoding": "identity"})


def parameters(text: str) -> dict[str, str]:
    """The parameters of a media type (RFC 9110, section 5.6.6): names and values in small letters; of repeated ones the last."""
    found = {}
    for match in _PARAMETER.finditer(text):
        quoted = match["quoted"]
        value = match["token"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        found[match["name"].lower()] = value.lower()
    return found


@functools.lru_cache(maxsize=256)
def _media_type(content_type: str, taken: tuple[str, ...]) -> str:
    sent = content_type.partition(";")[0].strip().lower()
    name = JSON if sent.endswith("+json") else sent
    if name not in taken:
        why = "a pickle is never read: " if "pickle" in sent else ""
        _refuse(f"{why}the body must be {_one_of(taken)} (curl: {_for_curl(sent, taken)})", taken)
    said = parameters(content_type)
    if name in {JSON, CSV} and said.get("charset", "utf-8") not in _UTF8:
        _refuse("the body must be UTF-8: send it without a charset, or with charset=utf-8", taken)
    if name == CSV and said.get("header", "present") != "present":
        _refuse("the first line of a CSV body must name its columns: header=absent is not taken", taken)
    return name


def _for_curl(sent: str, taken: tuple[str, ...]) -> str:
    kind = CSV if CSV in taken and (sent == _FORM or _TABLE.search(sent)) else taken[0]
    if kind == CSV or sent == _FORM:
        return f"-H 'content-type: {kind}' --data-binary @file{', not -F' if sent == _FORM else ''}"
    return f"-H 'content-type: {kind}'"


def _one_of(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _refuse(message: str, taken: tuple[str, ...]) -> NoReturn:
    raise RequestRefused(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, message, headers={"accept": ", ".join(taken)})
