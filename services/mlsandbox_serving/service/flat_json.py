"""Read large bodies of numbers alone into one matrix, with simdjson: no Python float is made for any of them.

It takes a part of what `typed_json` takes, with the same values, and says nothing about the rest. Without simdjson it takes nothing.
Rows are not for it: each would be an object of its own, and reading those one by one takes as long as msgspec does.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.schema import Columns, Schema
from mlsandbox_serving.schema.column_check import range_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGE: Final = 32 * 1024
"""Bytes of the smallest body for which it is worth while: smaller ones take a few hundredths of a millisecond in any way."""
# simdjson itself skips a byte order mark, which is no JSON.
_COLUMNS: Final = re.compile(rb'\s*\{\s*"columns"')
# simdjson looks for a name from the first on: with more of them a client could make that slow.
_MOST_COLUMNS: Final = 500
# A parser keeps several times the bytes of the largest body it has read. A new one for each body can cost as much as to read it: the
# memory is given back to the system, and has to be asked for page by page again.
_KEPT_BYTES: Final = 1024 * 1024


def flat_reader(schema: Schema) -> Callable[[bytes], Columns | None] | None:
    """What reads `{"columns": {…}}` of a model; None when not all it takes are floats, or simdjson is not installed."""
    floats = all(column.type == "float" and not column.nullable for column in schema.columns)
    simdjson = _simdjson() if floats and len(schema.columns) <= _MOST_COLUMNS else None
    if simdjson is None:
        return None
    return FlatJson(simdjson, schema.names, [range_of(column)[1] for column in schema.columns])


class FlatJson:
    """Reads columns of numbers.

    Args:
        simdjson: the module.
        names: of the columns, in their order.
        largest: the largest number that each one takes.
    """

    def __init__(self, simdjson: Any, names: tuple[str, ...], largest: Sequence[float]) -> None:
        self._simdjson = simdjson
        self._names = names
        self._kept = threading.local()
        self._largest = np.minimum(largest, sys.float_info.max)[:, np.newaxis]

    def __call__(self, body: bytes) -> Columns | None:
        """The checked columns of a body, at least one row; None when it is anything but plainly right."""
        # A list within a list would be read as if its values stood in the outer one.
        if _COLUMNS.match(body) is None or not _has_brackets(body, len(self._names)):
            return None
        try:
            matrix = self._matrix(body)
        except (KeyError, RuntimeError, TypeError, ValueError):  # no such name, too deep, not a number, not JSON
            return None
        if matrix is None or not bool((np.abs(matrix) <= self._largest).all()):
            return None
        return Columns.of_matrix(self._names, matrix.T)

    def _matrix(self, body: bytes) -> NDArray[np.float64] | None:
        """Shape (columns, rows); of the parser's document nothing is left when it returns, which is when the parser can be used again."""
        content = self._parser(len(body)).parse(body)
        if len(content) != 1:
            return None
        lists = content["columns"]
        # Names that are sent twice are counted twice.
        if not isinstance(lists, self._simdjson.Object) or len(lists) != len(self._names):
            return None
        matrix: NDArray[np.float64] | None = None
        for index, name in enumerate(self._names):
            values = lists[name]
            if not isinstance(values, self._simdjson.Array):
                return None
            # Integers are rounded to the nearest float, as Python does it; from 2**64 on simdjson refuses them.
            numbers = np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64)
            if matrix is None:
                matrix = np.empty((len(self._names), len(numbers)))
            if len(numbers) != matrix.shape[1]:
                return None
            matrix[index] = numbers
        return matrix if matrix is not None and matrix.size else None

    def _parser(self, size: int) -> Any:
        """A parser for a body of so many bytes: this thread's own, since two threads cannot use one; for very large ones a new one."""
        if size > _KEPT_BYTES:
            return self._simdjson.Parser()
        if not hasattr(self._kept, "parser"):
            self._kept.parser = self._simdjson.Parser()
        return self._kept.parser


def _has_brackets(body: bytes, brackets: int) -> bool:
    """Whether so many lists can begin in a body, and no more; several times as fast as to count them."""
    at = -1
    for _ in range(brackets):
        at = body.find(b"[", at + 1)
        if at < 0:
            return False
    return body.find(b"[", at + 1) < 0


def _simdjson() -> Any | None:
    """The module, where it is installed and runs."""
    try:
        return import_module("simdjson")
    except (ImportError, RuntimeError):  # the latter is what it raises when its compiled half cannot be loaded
        return None
