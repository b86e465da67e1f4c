"""What a CSV body looks like, and how much of it is read: megabytes of commas or line ends are millions of fields, each of which costs."""

from __future__ import annotations

import re
from typing import Final

from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.codecs.refusals import refuse_form
from mlsandbox_serving.service.refusal import refuse_many

_FIELD: Final = re.compile(rb'(?:"(?:[^"]++|"")*+"?[^,\r\n]*+|[^,\r\n]*+)(,|\r\n|[\r\n]|\Z)')
MARK: Final = b"\xef\xbb\xbf"
_LINE: Final = re.compile(rb"[^\r\n]*")
_LOOKED_AT: Final = 4_096
FIRST_LINE: Final = "a first line that names the columns"
_SPARE: Final = 1_000
"""So many names more than the model has columns are read, to be told as unknown."""


def refuse_endless(body: bytes, columns: int, max_rows: int) -> None:
    """Stop at the first row, or the first field of a row, that is one too many.

    Bodies that cannot have so many are not looked at; in others commas and line ends within quotes do not count.

    Args:
        body: CSV.
        columns: of the model.
        max_rows: so many rows are taken in one request.

    Raises:
        RequestRefused: 413 for too many rows.
        SchemaMismatch: a row has more fields than the first line.
    """
    if sum(map(body.count, (b",", b"\n", b"\r"))) <= (columns + 1) * (max_rows + 2):
        return
    rows, fields, width = -1, 0, columns + _SPARE
    for match in _FIELD.finditer(body, len(MARK) if body.startswith(MARK) else 0):
        if match.start() == len(body):
            return
        fields += 1
        if fields > width:
            _refuse_wide(rows, width)
        if match[1] == b",":
            continue
        if rows < 0:
            if fields > columns:
                return  # at least one of the names is wrong: no row will be read
            width = fields
        rows, fields = rows + 1, 0
        refuse_many(rows, max_rows, at_least=True)


def separator_hint(body: bytes) -> str:
    """What to tell of a first line whose fields are separated by anything but commas; nothing when they are not.

    Args:
        body: no CSV of commas.
    """
    head = _LINE.match(body.removeprefix(MARK)[:_LOOKED_AT])
    line = head[0] if head else b""
    if line.lower().startswith(b"sep="):
        return " (without a line sep=… before it, and with commas between the fields)"
    for character, called in ((b";", "semicolons"), (b"\t", "tabs")):
        if line.count(character) > line.count(b","):
            return f" (with commas between the fields: these look like {called})"
    return ""


def _refuse_wide(row: int, width: int) -> None:
    if row < 0:
        refuse_form(f"more than {width} fields", FIRST_LINE)
    faults = Faults()
    expected = f"{width} fields as in the first line"
    faults.add(row=row, column=None, value=f"more than {width} fields", expected=expected, problem="wrong length")
    faults.raise_any()
