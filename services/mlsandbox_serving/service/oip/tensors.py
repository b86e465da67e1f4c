"""The elements of one tensor: from JSON or from bytes to a flat list, or a flat array when they are numbers alone."""

from __future__ import annotations

import base64
import itertools
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import numpy as np

from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.oip import datatypes
from mlsandbox_serving.service.oip.request import Input, refuse, refuse_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values: TypeAlias = "list[Any] | NDArray[Any]"

_LENGTH: Final = struct.Struct("<I")
_NUMPY: Final[Mapping[str, str]] = {
    name: f"<{letter}{size}"
    for name, size in datatypes.SIZES.items()
    for prefix, letter in (("BOOL", "u"), ("UINT", "u"), ("INT", "i"), ("FP", "f"))
    if name.startswith(prefix)
}
_flat: Final = msgspec.json.Decoder(list[float])
_nested: Final = msgspec.json.Decoder(list[list[float]])
_anything: Final = msgspec.json.Decoder(list[Any])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the elements of a tensor belong.

    Args:
        where: names the tensor in messages, by its place: what a client calls it may be private.
        rows: of the tensor.
        names: of the columns that it holds, in row-major order one element each per row.
    """

    where: str
    rows: int
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """Elements."""
        return self.rows * len(self.names)


def from_bytes(tensor: Input, layout: Layout, data: memoryview) -> Values:
    """The elements of a tensor in binary form: little-endian, row-major, without gaps.

    Raises:
        RequestRefused: 400, these are not the bytes of so many elements.
    """
    if tensor.datatype == datatypes.BYTES:
        return _reread(_texts(data, layout), tensor.parameter("content_type"), layout)
    expected = layout.size * datatypes.SIZES[tensor.datatype]
    if len(data) != expected:
        refuse(f"{layout.where}: {layout.size} elements of {tensor.datatype} are {expected} bytes, not {len(data)}")
    array = np.frombuffer(data, dtype=_NUMPY[tensor.datatype])
    if tensor.datatype != datatypes.BOOL:
        return array
    if array.size and array.max() > 1:
        refuse(f"{layout.where}: an element of BOOL is a byte of 0 or 1")
    values: list[Any] = array.astype(bool).tolist()
    return values


def from_json(tensor: Input, layout: Layout, faults: Faults) -> Values:
    """The elements of a tensor that stand in the JSON, flat or row by row.

    Args:
        tensor: with data.
        layout: of the tensor.
        faults: gets the elements that are not of the tensor's datatype.

    Raises:
        RequestRefused: 400, there are not as many elements as the shape says.
    """
    if tensor.datatype == datatypes.FP16:
        refuse(f"{layout.where}: FP16 has no form in JSON: send it as binary data, or as FP32")
    assert isinstance(tensor.data, msgspec.Raw)  # noqa: S101 - the caller asked has_data
    if tensor.datatype in {datatypes.FP32, datatypes.FP64}:
        numbers = _numbers(tensor.data, layout)
        if numbers is not None:
            return _rounded(numbers) if tensor.datatype == datatypes.FP32 else numbers
    try:
        values = _flattened(_anything.decode(tensor.data), layout)
    except msgspec.ValidationError:
        refuse(f"{layout.where}: its data is not a list")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        refuse_json(error, f"{layout.where}: ")
    if tensor.datatype == datatypes.BYTES:
        return _reread(values, tensor.parameter("content_type"), layout)
    return _coerced(values, tensor.datatype, layout, faults)


def _numbers(data: msgspec.Raw, layout: Layout) -> NDArray[np.float64] | None:
    """Numbers alone, the usual case; None when there is anything else among them."""
    try:
        return _array(_flat.decode(data), layout)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    try:
        rows = _nested.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None  # whatever it is, reading it as anything tells
    return _array(_joined(rows, layout), layout)


def _array(values: list[float], layout: Layout) -> NDArray[np.float64]:
    _refuse_count(len(values), layout)
    return np.array(values, dtype=np.float64)


def _flattened(values: list[Any], layout: Layout) -> list[Any]:
    if values and isinstance(values[0], list):
        values = _joined(values, layout)
    _refuse_count(len(values), layout)
    return values


def _joined(rows: Sequence[Any], layout: Layout) -> list[Any]:
    width = len(layout.names)
    if len(rows) != layout.rows or any(not isinstance(row, list) or len(row) != width for row in rows):
        refuse(f"{layout.where}: its data is not {layout.rows} lists of {width}, as its shape says")
    return list(itertools.chain.from_iterable(rows))


def _refuse_count(count: int, layout: Layout) -> None:
    if count != layout.size:
        refuse(f"{layout.where}: its data has {count} elements, its shape {layout.size}")


def _coerced(values: list[Any], datatype: str, layout: Layout, faults: Faults) -> Values:
    coerce = _coercion(datatype)
    coerced: list[Any] = []
    width = len(layout.names)
    for index, value in enumerate(values):
        try:
            coerced.append(None if value is None else coerce(value))
        except (TypeError, ValueError, OverflowError):
            expected = f"an element of {datatype}, the tensor's datatype"
            faults.add(row=index // width, column=layout.names[index % width], value=value, expected=expected, problem="wrong type")
    if datatype != datatypes.FP32:
        return coerced
    return [None if math.isnan(value) else value for value in _rounded(np.array(coerced, dtype=np.float64)).tolist()]


def _coercion(datatype: str) -> Callable[[Any], Any]:
    if datatype == datatypes.BOOL:
        return _boolean
    if datatype in {datatypes.FP32, datatypes.FP64}:
        return _float
    limits = np.iinfo(_NUMPY[datatype])
    lowest, highest = int(limits.min), int(limits.max)

    def integer(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or not lowest <= value <= highest:
            raise ValueError
        return int(value)

    return integer


def _boolean(value: Any) -> bool:
    if type(value) not in {bool, int} or value not in {0, 1}:
        raise ValueError
    return bool(value)


def _float(value: Any) -> float:
    if type(value) not in {int, float}:
        raise ValueError
    return float(value)


def _rounded(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of numbers in FP32; infinite where they are too large for it."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32).astype(np.float64)


def _texts(data: memoryview, layout: Layout) -> list[str]:
    """Elements of BYTES: each its length in 4 bytes, then so many bytes."""
    texts: list[str] = []
    place, end = 0, len(data)
    while place < end and len(texts) < layout.size:
        start = place + _LENGTH.size
        if start > end or start + (length := _LENGTH.unpack_from(data, place)[0]) > end:
            refuse(f"{layout.where}: its binary data ends within element {len(texts)}")
        place = start + length
        try:
            texts.append(str(data[start:place], "utf-8"))
        except UnicodeDecodeError:
            refuse(f"{layout.where}: element {len(texts)} is not UTF-8")
    if place < end or len(texts) < layout.size:
        more = "more" if place < end else "fewer"
        refuse(f"{layout.where}: its binary data has {more} elements than {layout.size}, which its shape says")
    return texts


def _reread(values: list[Any], content_type: Any, layout: Layout) -> list[Any]:
    """Texts that MLServer's codecs have wrapped once more: "base64", and "pd_json" of columns that hold other things than texts."""
    try:
        if content_type == "base64":
            return [str(base64.b64decode(value, validate=True), "utf-8") if isinstance(value, str) else value for value in values]
        if content_type == "pd_json":
            return [msgspec.json.decode(value) if isinstance(value, str) else value for value in values]
    except (msgspec.DecodeError, ValueError, RecursionError):
        refuse(f"{layout.where}: an element cannot be read as {content_type}, its content type")
    return values
