"""The JSON of an inference request: its form, before anything is known about its tensors."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import msgspec

from mlsandbox_serving.contract import ErrorCode
from mlsandbox_serving.service.refusal import RequestRefused

_FORM: Final = '{"inputs": [{"name", "datatype", "shape", "data"}, …]}'
_NULL: Final = b"null"


class Input(msgspec.Struct):
    """One tensor; `data` is still JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def parameter(self, name: str) -> Any:
        """The value of a parameter; None when it is not there."""
        return (self.parameters or {}).get(name)

    def has_data(self) -> bool:
        """Whether its elements stand in the JSON."""
        return isinstance(self.data, msgspec.Raw) and memoryview(self.data) != memoryview(_NULL)


class Wanted(msgspec.Struct):
    """One output that is asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """What clients send besides is not looked at."""

    inputs: list[Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


_decoder: Final = msgspec.json.Decoder(Request)


def parse_request(body: bytes | memoryview) -> Request:
    """Read the JSON of a request.

    Raises:
        RequestRefused: 400, it is not of that form.
    """
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        refuse(f"this is no inference request {_FORM}: {error}")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        refuse_json(error)


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
    raise RequestRefused(400, ErrorCode.UNREADABLE_BODY, message)
