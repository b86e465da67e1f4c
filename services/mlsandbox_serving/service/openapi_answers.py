"""The parts of the OpenAPI document that all routes share: headers, errors, keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.contract import ErrorCode, Header
from mlsandbox_serving.service.access import is_open
from mlsandbox_serving.service.exchange import JSON

Json = dict[str, Any]

TEXT: Final[Mapping[str, Any]] = {"schema": {"type": "string"}}
_HEADERS: Final = {
    "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
    "X-Model-Version": {"$ref": "#/components/headers/ModelVersion"},
    "X-Package-Digest": {"$ref": "#/components/headers/PackageDigest"},
}
_RETRY: Final = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds; not there when waiting will not help."}}
_BEARER: Final = {"WWW-Authenticate": {"schema": {"const": "Bearer"}, "required": True}}
_TAKEN: Final = {"Accept": {"schema": {"type": "string"}, "description": "Media types that are taken."}}

_REFUSALS: Final[Mapping[str, tuple[str, str, tuple[str, ...], Mapping[str, Any]]]] = {
    "400": (
        "Unreadable",
        "The body is not what its content type says, or the request is no HTTP.",
        (ErrorCode.UNREADABLE_BODY, ErrorCode.BAD_REQUEST),
        {},
    ),
    "401": ("Unauthorized", "No API key, or one that is not known.", (ErrorCode.UNAUTHORIZED,), _BEARER),
    "404": ("NotFound", "There is no such model or version.", (ErrorCode.NOT_FOUND,), {}),
    "408": ("NotArrived", "The body did not arrive in time.", (ErrorCode.TIMEOUT,), {}),
    "413": ("TooLarge", "Too many bytes or rows.", (ErrorCode.BODY_TOO_LARGE, ErrorCode.TOO_MANY_ROWS), {}),
    "415": ("OtherContent", "A content type or encoding that is not taken.", (ErrorCode.UNSUPPORTED_MEDIA_TYPE,), _TAKEN),
    "422": (
        "Unfit",
        "It can be read, but does not fit: `details.faults` says row by row why; or the model does not take it.",
        (ErrorCode.SCHEMA_MISMATCH, ErrorCode.MODEL_REJECTED_INPUT, ErrorCode.FEEDBACK_INVALID),
        {},
    ),
    "500": (
        "Failed",
        "The model or the service failed; the traceback is in the event of the request.",
        (ErrorCode.MODEL_FAILED, ErrorCode.INTERNAL),
        {},
    ),
    "503": ("Unavailable", "Not ready, or too many requests at once.", (ErrorCode.NOT_READY, ErrorCode.OVERLOADED), _RETRY),
    "504": ("TookTooLong", "The model did not answer in time.", (ErrorCode.TIMEOUT,), {}),
}


ENTITY: Final[dict[str, Any]] = {
    "name": Header.ENTITY,
    "in": "header",
    "schema": {"type": "string"},
    "description": "What the request is about: all with the same text are answered by the same version while two of them share requests.",
}
"""Parameter of what predicts."""


def answered(description: str, content: Mapping[str, Any]) -> Json:
    """One answer with the headers that all have."""
    return {"description": description, "headers": dict(_HEADERS), "content": dict(content)}


def refusals(*statuses: str, protocol: bool = False) -> Json:
    """The errors with these statuses; `protocol`: in the form that they have under /v2."""
    return {status: {"$ref": f"#/components/responses/{_name(status, protocol=protocol)}"} for status in statuses}


def secured(paths: Mapping[str, Json], *, keys: bool) -> Json:
    """The paths, and with keys what each of them needs and answers without one."""
    if not keys:
        return dict(paths)
    return {path: {method: _secured(path, operation) for method, operation in item.items()} for path, item in paths.items()}


def _secured(path: str, operation: Json) -> Json:
    if is_open(path):
        return {**operation, "security": []}
    return {**operation, "responses": {**operation["responses"], **refusals("401", protocol=path.startswith("/v2"))}}


def components(schemas: Mapping[str, Any], *, keys: bool) -> Json:
    """Everything that is referred to."""
    content: Json = {
        "schemas": {**schemas, "Error": _ERROR, "InferenceError": _INFERENCE_ERROR, "State": _STATE},
        "headers": {
            "RequestId": {
                "schema": {"type": "string", "minLength": 1},
                "required": True,
                "description": "As in the event of this request.",
            },
            "ModelVersion": {"schema": {"type": "string", "minLength": 1}},
            "PackageDigest": {"schema": {"type": "string"}, "description": "Of the package that answered; one version has one digest."},
        },
        "responses": {
            _name(status, protocol=protocol): _refusal(status, protocol=protocol) for status in _REFUSALS for protocol in (False, True)
        },
    }
    if keys:
        content["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": Header.API_KEY},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
    return content


def _name(status: str, *, protocol: bool) -> str:
    return f"Inference{_REFUSALS[status][0]}" if protocol else _REFUSALS[status][0]


def _refusal(status: str, *, protocol: bool) -> Json:
    _, description, codes, headers = _REFUSALS[status]
    code = {"properties": {"code": {"enum": list(codes)}}}
    error = {"$ref": f"#/components/schemas/{'InferenceError' if protocol else 'Error'}"}
    schema = {"allOf": [error, code if protocol else {"properties": {"error": code}}]}
    return {"description": description, "headers": {**_HEADERS, **headers}, "content": {JSON: {"schema": schema}}}


_FACTS: Final[Json] = {
    "code": {"type": "string", "description": "For programs; does not change."},
    "message": {"type": "string", "description": "For people."},
    "details": {"type": "object"},
    "request_id": {"type": "string"},
}
_ERROR: Final[Json] = {
    "type": "object",
    "properties": {"error": {"type": "object", "properties": _FACTS, "required": list(_FACTS)}},
    "required": ["error"],
    "additionalProperties": False,
}
_INFERENCE_ERROR: Final[Json] = {
    "type": "object",
    "properties": {"error": _FACTS["message"], **{name: fact for name, fact in _FACTS.items() if name != "message"}},
    "required": ["error", "code", "details", "request_id"],
}
_STATE: Final[Json] = {
    "type": "object",
    "properties": {
        "ready": {"type": "boolean"},
        "stack_id": {"type": "string"},
        "model": {"type": "string"},
        "version": {"type": "string"},
        "code": {"type": ["string", "null"]},
        "reason": {"type": ["string", "null"]},
        "final": {"type": "boolean", "description": "Waiting will not help."},
        "details": {"type": "object"},
        "golden": {
            "type": ["object", "null"],
            "properties": {"rows": {"type": "integer"}, "bit_equal": {"type": "integer"}},
            "description": "Reference rows whose predictions were reproduced at start.",
        },
    },
    "required": ["ready", "stack_id", "model", "version", "code", "reason", "final", "details", "golden"],
}
