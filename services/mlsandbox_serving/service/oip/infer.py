"""The body of an inference request as checked columns, and how its answer is to be written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.schema import Columns, Schema
from mlsandbox_serving.schema.column_check import range_of
from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.answers import Encode
from mlsandbox_serving.service.json_body import refuse_crowded
from mlsandbox_serving.service.oip import datatypes
from mlsandbox_serving.service.oip.outputs import InferEncode, Output
from mlsandbox_serving.service.oip.request import Input, Parameters, Request, parameter, parse_request, refuse
from mlsandbox_serving.service.oip.tensors import Layout, Values, from_bytes, from_json
from mlsandbox_serving.service.refusal import refuse_many

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST: Final = 2**63
"""Past every dimension that there can be: then a message need not spell it."""
_SPARE: Final = 1_000
_SIZE: Final = "binary_data_size"


class InferDecoder:
    """Reads inference requests: one tensor per column, or one of shape [rows, columns].

    Args:
        schema: of the model.
        max_rows: of a request.
        classes: of a classifier, where they are known.
    """

    def __init__(self, schema: Schema, *, max_rows: int, classes: Sequence[Any] | None) -> None:
        self._schema = schema
        self._known = frozenset(schema.names)
        self._limits = _limits(schema)
        self._max_rows = max_rows
        self._most = (max_rows + 10) * len(schema.names) + _SPARE
        """Lists and objects: each value may have a list of its own."""
        output = schema.output
        predict = datatypes.of_prediction({"type": output.type, "classes": output.classes or classes})
        self._outputs = {datatypes.PREDICT: predict}
        if output.probabilities:
            self._outputs[datatypes.PREDICT_PROBA] = datatypes.FP64

    def __call__(self, body: bytes, header_length: int | None) -> tuple[Columns, Encode]:
        """Read and check a request.

        Args:
            body: JSON, and binary tensors behind it.
            header_length: bytes of the JSON; None when the body is JSON alone.

        Raises:
            RequestRefused: 400 for what is no inference request, 413 for too many rows.
            SchemaMismatch: it is one, but not what the model takes.
        """
        length = len(body) if header_length is None else header_length
        if not 0 < length <= len(body):
            refuse(f"the JSON is said to be {length} bytes of a body of {len(body)}")
        view = memoryview(body)
        head = body[:length]
        refuse_crowded(head, self._most, self._max_rows)
        request = parse_request(head)
        encode = self._encode(request)
        return self._columns(request.inputs, _binary(request.inputs, view[length:])), encode

    def _columns(self, inputs: Sequence[Input], binary: Mapping[int, memoryview]) -> Columns:
        faults = Faults()
        columns: dict[str, Values] = {}
        for index, tensor in enumerate(inputs):
            layout = self._layout(f"inputs[{index}]", tensor, alone=len(inputs) == 1, faults=faults)
            if layout is None:
                columns.setdefault(tensor.name, [])  # no column of the model: the check tells
                continue
            if layout.names[0] in columns:
                faults.add(row=None, column=tensor.name, value=None, expected="each name once", problem="sent twice")
                continue
            data = binary.get(index)
            values = from_json(tensor, layout, faults) if data is None else from_bytes(tensor, layout, data)
            width = len(layout.names)
            columns |= {name: values[place::width] if width > 1 else values for place, name in enumerate(layout.names)}
        faults.raise_any()
        matrix = self._matrix(columns)
        if matrix is not None:
            return Columns.of_matrix(self._schema.names, matrix)
        return self._schema.check_columns({name: _as_list(values) for name, values in columns.items()})

    def _matrix(self, columns: Mapping[str, Values]) -> NDArray[np.float64] | None:
        """The columns side by side, when they are plainly what the model takes and all of them floats; None leaves it to the check."""
        if self._limits is None or columns.keys() != self._known:
            return None
        rows = len(columns[self._schema.names[0]])
        matrix = np.empty((rows, len(self._limits)))
        for place, name in enumerate(self._schema.names):
            values = columns[name]
            if not isinstance(values, np.ndarray) or len(values) != rows:
                return None
            matrix[:, place] = values
        return matrix if rows and bool((np.abs(matrix) <= self._limits).all()) else None

    def _layout(self, where: str, tensor: Input, *, alone: bool, faults: Faults) -> Layout | None:
        """Which elements of a tensor belong to which columns; None when it belongs to none."""
        shape = tensor.shape
        if any(not 0 <= dimension < _LARGEST for dimension in shape):
            refuse(f"{where}: a dimension of its shape is negative or too large")
        if tensor.datatype not in datatypes.ALL:
            refuse(f"{where}: its datatype is none of {', '.join(datatypes.ALL)}")
        column = tensor.name in self._known
        width = len(self._schema.names)
        whole = alone and len(shape) == 2 and not (column and shape[1] == 1)
        if not column and not whole:
            return None
        if whole and shape[1] != width:
            expected = f"one tensor of shape [rows, {width}], or one of shape [rows, 1] per column"
            faults.add(row=None, column=None, value=f"[{shape[0]}, {shape[1]}]", expected=expected, problem="wrong form")
            faults.raise_any()
        if not whole and (len(shape) not in {1, 2} or shape[1:] not in ([], [1])):
            refuse(f"{where}: the shape of a column is [rows] or [rows, 1]")
        refuse_many(shape[0], self._max_rows)
        return Layout(where, shape[0], self._schema.names if whole else (tensor.name,))

    def _encode(self, request: Request) -> InferEncode:
        binary = _flag(request.parameters, "binary_data_output", "parameters")
        sent_id = request.id if isinstance(request.id, str) else None
        if not request.outputs:
            return InferEncode(sent_id, [Output(name, datatype, binary) for name, datatype in self._outputs.items()])
        chosen: dict[str, Output] = {}
        for index, wanted in enumerate(request.outputs):
            where = f"outputs[{index}]"
            datatype = self._outputs.get(wanted.name)
            if datatype is None:
                refuse(f"{where}: there is no such output; there is {' and '.join(self._outputs)}")
            if parameter(wanted.parameters, "classification"):
                refuse(f"{where}: classes with scores are not offered as such; ask for {datatypes.PREDICT_PROBA}")
            own = _flag(wanted.parameters, "binary_data", f"{where}.parameters", otherwise=binary)
            chosen[wanted.name] = Output(wanted.name, datatype, own)
        return InferEncode(sent_id, list(chosen.values()))


def _binary(inputs: Sequence[Input], data: memoryview) -> dict[int, memoryview]:
    """The bytes of each tensor in binary form, by its place: they stand behind the JSON in the order of the tensors."""
    found: dict[int, memoryview] = {}
    place = 0
    for index, tensor in enumerate(inputs):
        size = tensor.parameter(_SIZE)
        if size is None:
            if not tensor.has_data():
                refuse(f"inputs[{index}]: it has neither data nor {_SIZE}")
            continue
        if type(size) is not int or not 0 <= size < _LARGEST:
            refuse(f"inputs[{index}]: its {_SIZE} is not a number of bytes")
        if tensor.has_data():
            refuse(f"inputs[{index}]: it has both data and {_SIZE}")
        if size > len(data) - place:
            refuse(f"inputs[{index}]: its {_SIZE} is {size}, of which {len(data) - place} were sent")
        found[index] = data[place : place + size]
        place += size
    if place != len(data):
        refuse(f"{len(data) - place} bytes behind the JSON belong to no tensor")
    return found


def _flag(parameters: Parameters, name: str, where: str, *, otherwise: bool = False) -> bool:
    value = parameters.get(name, otherwise) if isinstance(parameters, dict) else otherwise
    if not isinstance(value, bool):
        refuse(f"{where}: {name} is neither true nor false")
    return value


def _limits(schema: Schema) -> NDArray[np.float64] | None:
    """The largest number of each column, none infinite; None when not all of them are floats."""
    if any(column.type != "float" for column in schema.columns):
        return None
    return np.minimum([range_of(column)[1] for column in schema.columns], np.finfo(np.float64).max)


def _as_list(values: Values) -> list[Any]:
    """JSON values; NaN is null."""
    if not isinstance(values, np.ndarray):
        return values
    found: list[Any] = values.tolist()
    if values.dtype.kind == "f" and np.isnan(values).any():
        return [None if math.isnan(value) else value for value in found]
    return found
