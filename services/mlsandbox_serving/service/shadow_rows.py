"""Predictions in the answers of two versions to the same request, row by row: which are the same.

Probabilities are not looked at: those of two trainings are never the same, and what clients act on are the predictions.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from mlsandbox_serving.contract import Header
from mlsandbox_serving.service.codecs.arrow_frames import measure
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.oip.datatypes import PREDICT
from mlsandbox_serving.service.oip.inference import BINARY

_PREDICTION: Final = "prediction"
_SIZES: Final = {"BOOL": ("?", 1), "INT64": ("q", 8), "FP64": ("d", 8)}
"""Of the elements of binary tensors that a service answers."""
_NPY_KINDS: Final = frozenset("biufU")
_ARROW_TYPES: Final = frozenset({"bool", "int64", "double", "string"})
_SINGLE: Final = (1e-5, 1e-7)
_DOUBLE: Final = (1e-9, 1e-12)
"""As `golden.Tolerance.of` has them."""


class Unreadable(ValueError):
    """What should be predictions is none."""


class Written(NamedTuple):
    """An answer as it was sent."""

    content_type: str
    body: bytes
    headers: Mapping[str, str]


class Tolerance(NamedTuple):
    """How far two numbers may be from each other: |one - other| <= atol + rtol * |other|."""

    rtol: float
    atol: float

    def holds(self, one: float, other: float) -> bool:
        """Whether they are close to each other."""
        return abs(one - other) <= self.atol + self.rtol * abs(other)


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class _Json(msgspec.Struct):
    predictions: list[Any] | None = None
    outputs: list[_Tensor] | None = None
    """Of the Open Inference Protocol."""


_decode: Final = msgspec.json.Decoder(_Json).decode


def tolerance_of(golden: Mapping[str, Any] | None, *, by_class: bool) -> Tolerance | None:
    """What a package allows its own golden rows; where it does not say, what fits the precision that they were captured in.

    Classes are equal or not: there is none.
    """
    if by_class:
        return None
    given = (golden or {}).get("tolerance")
    if given:
        return Tolerance(float(given["rtol"]), float(given["atol"]))
    captured = [value for value in (golden or {}).get("predictions") or () if isinstance(value, float)]
    return Tolerance(*(_SINGLE if captured and all(map(_is_single, captured)) else _DOUBLE))


def compared(champion: Written, challenger: Written, tolerance: Tolerance | None) -> tuple[int, int]:
    """How many rows have the same prediction in both answers, and how many have not.

    Raises:
        Unreadable: one of them holds no predictions, the challenger's those of fewer or more rows, or they cannot be compared.
    """
    try:
        return _compared(champion, challenger, tolerance)
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever libraries say of bytes from elsewhere, and Python of numbers of any length
        raise Unreadable(type(error).__name__) from None


def _compared(champion: Written, challenger: Written, tolerance: Tolerance | None) -> tuple[int, int]:
    rows = predictions_of(champion)
    others = predictions_of(challenger, rows=len(rows))
    if len(rows) != len(others):
        raise _others(len(others), len(rows))
    if rows == others and not _are_mixed(rows, others):
        return len(rows), 0
    same = sum(map(lambda one, other: is_same(one, other, tolerance), rows, others))
    return same, len(rows) - same


def predictions_of(answer: Written, *, rows: int | None = None) -> Sequence[Any]:
    """One value, or one list of values, for each row.

    Args:
        answer: of a service.
        rows: that it should have: formats that can tell of many in a few bytes are refused before these are made.

    Raises:
        Unreadable, ValueError: there are none.
    """
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        decoded = _decode(answer.body)
        if decoded.predictions is not None:
            return decoded.predictions
        return _of_tensors(decoded.outputs or [], b"")
    if kind == BINARY:
        length = int(answer.headers[Header.INFERENCE_LENGTH])
        return _of_tensors(_decode(answer.body[:length]).outputs or [], answer.body[length:])
    if kind == CSV:
        return _of_csv(answer.body)
    if kind == NPY:
        return _of_npy(answer.body, rows)
    if kind == ARROW:
        return _of_arrow(answer.body, rows)
    raise Unreadable(f"{kind} is no format of an answer")


def is_same(one: Any, other: Any, tolerance: Tolerance | None) -> bool:
    """Whether two predictions are equal, or numbers that are close to each other."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(is_same(*pair, tolerance) for pair in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (one != one and other != other) or (tolerance is not None and tolerance.holds(one, other))  # noqa: PLR0124 - NaN
    if one == other:
        return type(one) is type(other)
    if tolerance is not None and isinstance(one, str) and isinstance(other, str):  # cells of a CSV
        with contextlib.suppress(ValueError):
            return tolerance.holds(float(one), float(other))
    return False


def _are_mixed(rows: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether equality of Python's says too little: true is 1 to it."""
    return (bool in set(map(type, rows))) != (bool in set(map(type, others))) or list in set(map(type, rows))


def _others(found: int, rows: int) -> Unreadable:
    return Unreadable(f"{found} predictions for {rows} rows")


def _of_npy(body: bytes, rows: int | None) -> list[Any]:
    import numpy as np  # noqa: PLC0415 - there since before the first answer

    file = io.BytesIO(body)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, _, kind = read(file)
    if not shape or (rows is not None and shape[0] != rows):
        raise _others(shape[0] if shape else 0, rows or 0)
    if kind.kind not in _NPY_KINDS or not kind.itemsize or 0 in shape[1:] or math.prod(shape) * kind.itemsize != len(body) - file.tell():
        raise Unreadable(f"an array of {kind} in so many bytes is no answer")
    return list(np.load(io.BytesIO(body), allow_pickle=False).tolist())


def _of_arrow(body: bytes, rows: int | None) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - as above

    told = measure(body)
    if rows is not None and sum(told.rows) != rows:
        raise _others(sum(told.rows), rows)
    if told.size > len(body):
        raise Unreadable("its buffers are compressed")
    with pa.ipc.open_stream(body) as stream:
        places = [place for place, field in enumerate(stream.schema) if field.name.startswith(_PREDICTION)]
        if any(str(stream.schema.field(place).type) not in _ARROW_TYPES for place in places):
            raise Unreadable("a column has a type that no answer has")
        table = stream.read_all().select(places)
    table.validate(full=True)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _of_csv(body: bytes) -> list[Any]:
    names, *lines = csv.reader(io.StringIO(body.decode(), newline=""))
    places = [place for place, name in enumerate(names) if name.startswith(_PREDICTION)]
    if not places:
        raise Unreadable("no column is a prediction")
    return [[line[place] for place in places] for line in lines]


def _of_tensors(tensors: Sequence[_Tensor], tail: bytes) -> list[Any]:
    """The rows of the tensor with the predictions; of all tensors where it was not asked for."""
    found = {}
    for tensor in tensors:
        elements = tensor.data
        if elements is None:
            size = int(tensor.parameters["binary_data_size"])
            elements, tail = _unpacked(tensor.datatype, tail[:size]), tail[size:]
        rows = tensor.shape[0]
        width = len(elements) // rows if rows else 0
        found[tensor.name] = [elements[start : start + width] for start in range(0, rows * width, width)] if width else []
    if PREDICT in found:
        return found[PREDICT]
    if not found:
        raise Unreadable("there is no output")
    return list(zip(*found.values(), strict=True))


def _unpacked(datatype: str, data: bytes) -> list[Any]:
    if datatype in _SIZES:
        code, size = _SIZES[datatype]
        return list(struct.unpack(f"<{len(data) // size}{code}", data))
    elements = []
    place = 0
    while place < len(data):
        (size,) = struct.unpack_from("<I", data, place)
        elements.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return elements


def _is_single(value: float) -> bool:
    try:
        return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:
        return False
