"""How much of a CSV body is looked at: a few megabytes of commas or line ends are millions of fields, and each costs time and memory."""

from __future__ import annotations

import re
from typing import Final

from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.codecs.refusals import refuse_form
from mlsandbox_serving.service.refusal import refuse_many

_FIELD: Final = re.compile(rb'(?:"(?:[^"]++|"")*+"?[^,\r\n]*+|[^,\r\n]*+)(,|\r\n|[\r\n]|\Z)')
_MARK: Final = b"\xef\xbb\xbf"
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
    for match in _FIELD.finditer(body, len(_MARK) if body.startswith(_MARK) else 0):
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


def _refuse_wide(row: int, width: int) -> None:
    if row < 0:
        refuse_form(f"more than {width} fields", "a first line that names the columns")
    faults = Faults()
    expected = f"{width} fields as in the first line"
    faults.add(row=row, column=None, value=f"more than {width} fields", expected=expected, problem="wrong length")
    faults.raise_any()
