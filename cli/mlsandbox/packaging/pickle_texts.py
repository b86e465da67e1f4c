"""The texts and numbers in a pickle's opcodes, read as Python's own unpickler reads them."""

from __future__ import annotations

import codecs
import re
from typing import Final

from mlsandbox.packaging.bytestream import StreamError
from mlsandbox.packaging.pickle_values import OPAQUE

_INTEGER: Final = re.compile(rb"[+-]?\d{1,100}")


def utf8(data: bytes) -> object:
    """A text of UNICODE's binary forms, and a name of GLOBAL."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise StreamError("a text is not valid UTF-8") from error


def ascii_text(data: bytes) -> object:
    """A byte string of Python 2; OPAQUE when it is more than ASCII."""
    return data.decode("ascii") if data.isascii() else OPAQUE


def quoted(data: bytes) -> object:
    """The argument of STRING: quoted and escaped."""
    if len(data) < 2 or data[0] != data[-1] or data[0] not in b"\"'":
        raise StreamError("a text has no quotes")
    try:
        unescaped: bytes = codecs.escape_decode(data[1:-1])[0]
    except ValueError as error:
        raise StreamError("a text has a wrong escape") from error
    return ascii_text(unescaped)


def raw_unicode(data: bytes) -> object:
    """The argument of UNICODE."""
    try:
        return data.decode("raw-unicode-escape")
    except UnicodeDecodeError as error:
        raise StreamError("a text has a wrong escape") from error


def decimal(data: bytes) -> object:
    """The argument of INT and LONG; 00 and 01 are False and True."""
    if data in {b"00", b"01"}:
        return data == b"01"
    if not _INTEGER.fullmatch(data.removesuffix(b"L")):
        return OPAQUE
    return int(data.removesuffix(b"L"))
