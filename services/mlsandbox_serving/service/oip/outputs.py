"""The answer to an inference request: tensors as JSON, or as bytes behind it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from mlsandbox_serving.contract import Header
from mlsandbox_serving.service.answers import Answers
from mlsandbox_serving.service.exchange import JSON
from mlsandbox_serving.service.oip import datatypes
from mlsandbox_serving.service.oip.inference import BINARY

_NUMPY: Final = {datatypes.BOOL: "u1", datatypes.INT64: "<i8", datatypes.FP64: "<f8"}


@dataclass(frozen=True, slots=True)
class Output:
    """One output that is to be answered.

    Args:
        name: of the tensor.
        datatype: that it was announced with; answers which it does not hold get another one.
        binary: whether its elements follow the JSON.
    """

    name: str
    datatype: str
    binary: bool


class InferEncode:
    """Writes the answer to one request.

    Args:
        request_id: the `id` of the request.
        outputs: in the order in which they are answered.
    """

    def __init__(self, request_id: str | None, outputs: Sequence[Output]) -> None:
        self._id = request_id
        self._outputs = outputs
        self.content_type = BINARY if any(output.binary for output in outputs) else JSON
        self.headers: Mapping[str, str] = {}
        """Further headers of the answer that was written last."""

    def __call__(self, answers: Answers) -> bytes:
        """The body; it sets `headers`."""
        values = {datatypes.PREDICT: answers.predictions, datatypes.PREDICT_PROBA: answers.probabilities}
        written: list[dict[str, Any]] = []
        tails: list[bytes] = []
        for output in self._outputs:
            rows = values[output.name]
            if rows is None:
                continue
            shape, elements = _flat(rows)
            datatype, elements = _settled(output.datatype, elements)
            tensor: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": shape}
            if output.binary:
                tails.append(_packed(datatype, elements))
                tensor["parameters"] = {"binary_data_size": len(tails[-1])}
            else:
                tensor["data"] = elements
            written.append(tensor)
        content = {
            "model_name": answers.model,
            "model_version": answers.version,
            "id": answers.request_id if self._id is None else self._id,
            "parameters": {"request_id": answers.request_id},  # what /feedback asks for: not every client shows headers
            "outputs": written,
        }
        header = msgspec.json.encode(content)
        if self.content_type == BINARY:
            self.headers = {Header.INFERENCE_LENGTH: str(len(header))}
        return b"".join((header, *tails))


def _flat(rows: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Shape and elements, row-major; what is not of one length all through stays as it is."""
    shape = [len(rows)]
    elements = list(rows)
    while elements and isinstance(elements[0], list):
        width = len(elements[0])
        if any(not isinstance(element, list) or len(element) != width for element in elements):
            break
        shape.append(width)
        elements = list(itertools.chain.from_iterable(elements))
    return shape, elements


def _settled(announced: str, elements: list[Any]) -> tuple[str, list[Any]]:
    """The datatype of these elements, and the elements as such."""
    datatype = announced if datatypes.holds(announced, elements) else datatypes.of_values(elements)
    if datatype == datatypes.BYTES:
        return datatype, [
            element if element is None or isinstance(element, str) else msgspec.json.encode(element, enc_hook=str).decode()
            for element in elements
        ]
    return datatype, elements


def _packed(datatype: str, elements: Sequence[Any]) -> bytes:
    """Elements in binary form; null is NaN, and an empty text."""
    if datatype != datatypes.BYTES:
        return np.array(elements, dtype=_NUMPY[datatype]).tobytes()
    encoded = [(element or "").encode() for element in elements]
    return b"".join(part for element in encoded for part in (struct.pack("<I", len(element)), element))
