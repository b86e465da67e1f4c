"""Bodies in numpy's file format: one array of numbers, rows by columns in the model's order.

The header is matched against the few forms that such an array has: nothing in it is evaluated, and nothing is unpickled.
Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.schema import Columns, Schema
from mlsandbox_serving.service.codecs.matrix import FloatMatrix, numbers_with_gaps
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.codecs.refusals import refuse_form
from mlsandbox_serving.service.refusal import RequestRefused, refuse_many, unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC: Final = b"\x93NUMPY"
_LENGTH_BYTES: Final = {1: 2, 2: 4, 3: 4}
"""By the format's major version: how many bytes hold the header's length."""
_LONGEST_HEADER: Final = 4_096
_HEADER: Final = re.compile(
    r"\{\s*(?:(?:"
    r"'descr'\s*:\s*'(?P<descr>[^']{1,40})'|"
    r"'fortran_order'\s*:\s*(?P<fortran>True|False)|"
    r"'shape'\s*:\s*\((?P<shape>[0-9, ]{0,80})\)"
    r")\s*(?:,\s*)?){3}\}"
)
_SIZE: Final = re.compile(r"[0-9]{1,18}")
_NUMBERS: Final = re.compile(r"[<>=|]?(?:f[248]|[iu][1248]|b1)|\|?\?")
_INSTEAD: Final = (JSON, CSV, ARROW)


@dataclass(frozen=True, slots=True)
class _Header:
    dtype: str
    fortran: bool
    shape: tuple[int, ...]
    end: int
    """Offset of the first value."""


class NpyDecoder:
    """Reads arrays of the shape (rows, columns), or (columns,) for one row; NaN is null.

    In a column of type boolean 0 and 1 are false and true: an array has one type for all of its columns.

    Args:
        schema: of the model.
        max_rows: so many rows are taken in one request.
    """

    def __init__(self, schema: Schema, *, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._matrix = FloatMatrix(schema)
        self._other = next((column for column in schema.columns if column.type not in {"float", "integer", "boolean"}), None)

    def __call__(self, body: bytes) -> Columns:
        """Read and check one body.

        Raises:
            RequestRefused: 400 for what is no such file, 413 for too many rows, 415 when a column of the model is no number.
            SchemaMismatch: it is one, but not what the model takes.
        """
        if self._other is not None:
            raise RequestRefused(
                415,
                ErrorCode.UNSUPPORTED_MEDIA_TYPE,
                f"{NPY} holds numbers alone, and the model's column {self._other.name!r} is of type {self._other.type}: "
                f"send {', '.join(_INSTEAD[:-1])} or {_INSTEAD[-1]}",
                headers={"accept": ", ".join(_INSTEAD)},
            )
        header = _header(body)
        rows = self._rows(header.shape)
        refuse_many(rows, self._max_rows)
        if _NUMBERS.fullmatch(header.dtype) is None:
            refuse_form(f"dtype {header.dtype}", "an array of floats, integers or booleans of at most 64 bits")
        dtype = np.dtype(header.dtype)
        needed = math.prod(header.shape) * dtype.itemsize
        if len(body) - header.end != needed:
            raise unreadable(f"the header announces {needed} bytes of values, there are {len(body) - header.end}")
        array = np.frombuffer(body, dtype, offset=header.end)
        return self._checked(array.reshape((rows, len(self._schema.names)), order="F" if header.fortran else "C"))

    def _rows(self, shape: tuple[int, ...]) -> int:
        width = len(self._schema.names)
        if shape == (width,):
            return 1
        if len(shape) != 2 or shape[1] != width:
            refuse_form(f"shape {shape}", f"an array of the shape (rows, {width}), or ({width},) for one row")
        return shape[0]

    def _checked(self, array: NDArray[Any]) -> Columns:
        if len(array) and self._matrix.suits and array.dtype.kind != "b":
            columns = self._matrix.columns(array)
            if columns is not None:
                return columns
        values = {column.name: numbers_with_gaps(array[:, index]) for index, column in enumerate(self._schema.columns)}
        if array.dtype.kind != "b":
            for column in self._schema.columns:
                if column.type == "boolean":
                    values[column.name] = [_TRUTH.get(value, value) for value in values[column.name]]
        return self._schema.check_columns(values)


_TRUTH: Final = {0: False, 1: True}


def _header(body: bytes) -> _Header:
    if body[:6] != _MAGIC or len(body) < 12:
        raise unreadable("the body is not in numpy's file format (.npy): it does not start with its mark; write it with numpy.save")
    length_bytes = _LENGTH_BYTES.get(body[6])
    if length_bytes is None or body[7] != 0:
        raise unreadable(f"version {body[6]}.{body[7]} of numpy's file format is not known; 1.0, 2.0 and 3.0 are")
    start = 8 + length_bytes
    length = int.from_bytes(body[8:start], "little")
    if length > _LONGEST_HEADER or start + length > len(body):
        raise unreadable(f"the header of the .npy body says it has {length} bytes; it is cut off, or not of a plain array of numbers")
    match = _HEADER.fullmatch(body[start : start + length].decode("latin-1").strip())
    if match is None or None in match.group("descr", "fortran", "shape"):
        raise unreadable("the header of the .npy body is not that of a plain array of numbers")
    if "O" in match["descr"]:
        raise unreadable("the .npy body holds Python objects, which are a pickle: these are never read; send an array of numbers")
    sizes = [size.strip() for size in match["shape"].split(",")]
    if not all(sizes[:-1]) or (len(sizes) == 1 and sizes[0]) or not all(_SIZE.fullmatch(size) for size in sizes if size):
        raise unreadable(f"the header of the .npy body has no shape: ({match['shape']})")
    return _Header(match["descr"], match["fortran"] == "True", tuple(int(size) for size in sizes if size), start + length)
