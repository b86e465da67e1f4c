"""The JSON of an inference request: its form, before anything is known about its tensors."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final, NoReturn, TypeAlias

import msgspec

from mlsandbox_serving.service.json_body import Names, has_names, parse_names
from mlsandbox_serving.service.refusal import unreadable

_FORM: Final = '{"inputs": [{"name", "datatype", "shape", "data"}, …]}'
_NULL: Final = b"null"
_SCALARS: Final = {str, float, bool, NoneType}
Parameters: TypeAlias = "dict[str, Any] | msgspec.UnsetType | None"


class Input(msgspec.Struct):
    """One tensor; `data` is still JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def parameter(self, name: str) -> Any:
        """The value of a parameter; None when it is not there."""
        return parameter(self.parameters, name)

    def has_data(self) -> bool:
        """Whether its elements stand in the JSON."""
        return isinstance(self.data, msgspec.Raw) and memoryview(self.data) != memoryview(_NULL)


class Wanted(msgspec.Struct):
    """One output that is asked for."""

    name: str
    parameters: Parameters = msgspec.UNSET


class Request(msgspec.Struct):
    """What clients send besides is not looked at."""

    inputs: list[Input]
    id: str | msgspec.UnsetType | None = msgspec.UNSET
    parameters: Parameters = msgspec.UNSET
    outputs: list[Wanted] | msgspec.UnsetType | None = msgspec.UNSET


_decoder: Final = msgspec.json.Decoder(Request)


def parameter(parameters: Parameters, name: str) -> Any:
    """The value of a parameter; None when it is not there."""
    return parameters.get(name) if isinstance(parameters, dict) else None


def parse_request(body: bytes) -> Request:
    """Read the JSON of a request.

    Raises:
        RequestRefused: 400, it is not of that form.
    """
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        refuse(f"this is no inference request {_FORM}: {error}")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        refuse_json(error)
    if not has_names(body, _names(request)):
        _refuse_repeated(body)
    return request


def _names(request: Request) -> int:
    """How many names the JSON has, when there are none but the protocol's."""
    parts = (request, *request.inputs, *(request.outputs or ()))
    fields = sum(getattr(part, field) is not msgspec.UNSET for part in parts for field in part.__struct_fields__)
    return fields + sum(len(part.parameters) for part in parts if isinstance(part.parameters, dict))


def _refuse_repeated(body: bytes) -> None:
    pending = [parse_names(body)]
    while pending:
        content = pending.pop()
        if isinstance(content, Names):
            if content.repeated:
                refuse("an object has one name twice: which of the two is meant cannot be known")
            pending += content.values()
        elif isinstance(content, list) and not set(map(type, content)) <= _SCALARS:
            pending += content


def refuse_json(error: Exception, where: str = "") -> NoReturn:
    """Raise what a decoder said about bytes that it could not read, without repeating any of them."""
    reason = str(error) if isinstance(error, msgspec.DecodeError) else "it is not UTF-8"
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    refuse(f"{where}the body cannot be read as JSON: {reason}; where the model knows missing values, null stands for NaN")


def refuse(message: str) -> NoReturn:
    """Raise that a body cannot be read.

    Raises:
        RequestRefused: 400.
    """
    raise unreadable(message)
