"""OpenAPI 3.1 of a model service, made from its schema, with a row of the reference data as example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.contract import ENVELOPES, Route
from mlsandbox_serving.service.feedback import LONGEST_LABEL
from mlsandbox_serving.service.package import Package

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "description": "ISO 8601 date and time"},
}
_PLACEHOLDERS: Final[dict[str, Any]] = {"string": "…", "datetime": "2024-05-31T12:00:00", "float": 0.0, "integer": 0, "boolean": False}


def document(package: Package) -> dict[str, Any]:
    """The whole document."""
    identity = package.identity
    schema = package.public_schema
    example = example_row(package)
    single = not any(column["name"] in ENVELOPES for column in schema["columns"])
    forms = [_ROWS, _columns(schema)]
    request: dict[str, Any] = {"schema": {"anyOf": [{"$ref": "#/components/schemas/Row"}, *forms] if single else forms}}
    if example is not None:
        rows = {"rows": {"value": {"rows": [example]}}}
        request["examples"] = {"row": {"value": example}, **rows} if single else rows
    predict = {
        "operationId": "predict",
        "summary": "Predict one row, several rows, or columns.",
        "requestBody": {"required": True, "content": {"application/json": request}},
        "responses": {
            "200": _answer("Predictions, one per row.", {"$ref": "#/components/schemas/Predictions"}),
            **{status: _answer(text, {"$ref": "#/components/schemas/Error"}) for status, text in _ERRORS.items()},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": identity.model, "version": identity.version},
        "paths": {
            Route.PREDICT: {"post": predict},
            Route.FEEDBACK: {"post": _feedback()},
            Route.SCHEMA: {"get": _read("schema", "The model's signature.")},
            Route.LIVE: {"get": _read("livez", "Whether the process lives.")},
            Route.READY: {"get": _read("readyz", "Whether predictions are answered (200), and if not (503) why.")},
            Route.METRICS: {"get": {**_read("metrics", "Prometheus metrics."), "responses": {"200": {"description": "Text."}}}},
        },
        "components": {
            "schemas": {"Row": _row(schema), "Predictions": _predictions(schema), "Label": _label(schema), "Error": _ERROR},
        },
    }


def example_row(package: Package) -> dict[str, Any] | None:
    """A row of the reference data; in columns that are never logged a made-up value."""
    example = package.manifest.get("example")
    if not example:
        return None
    guarded = package.guarded
    columns = {column["name"]: column for column in package.schema["columns"]}
    return {name: _placeholder(columns[name]) if name in guarded and name in columns else value for name, value in example.items()}


def _placeholder(column: Mapping[str, Any]) -> Any:
    categories = column.get("categories")
    if categories:
        return categories[0]
    value = _PLACEHOLDERS[column["type"]]
    return f"{value}Z" if column["type"] == "datetime" and "," in column["dtype"] else value


def _row(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {column["name"]: _value(column) for column in schema["columns"]},
        "required": [column["name"] for column in schema["columns"]],
        "additionalProperties": False,
    }


def _columns(schema: Mapping[str, Any]) -> dict[str, Any]:
    columns = {
        "type": "object",
        "properties": {column["name"]: {"type": "array", "minItems": 1, "items": _value(column)} for column in schema["columns"]},
        "required": [column["name"] for column in schema["columns"]],
        "additionalProperties": False,
    }
    return {"type": "object", "properties": {"columns": columns}, "required": ["columns"], "additionalProperties": False}


def _value(column: Mapping[str, Any]) -> dict[str, Any]:
    if column["type"] == "category":
        return {"enum": [*column["categories"], *([None] if column.get("nullable") else [])]}
    value = dict(_TYPES[column["type"]])
    if column.get("nullable"):
        value["type"] = [value["type"], "null"]
    if column.get("minimum") is not None and column.get("maximum") is not None:
        value["description"] = f"reference data: {column['minimum']} to {column['maximum']} (not enforced)"
    return value


def _predictions(schema: Mapping[str, Any]) -> dict[str, Any]:
    output = schema["output"]
    item: dict[str, Any] = {}
    if output["type"] == "number":
        item = {"type": ["number", "null"]}
    if output["type"] == "array":
        item = {"type": "array"}
    if output["type"] == "class" and output.get("classes"):
        item = {"enum": list(output["classes"])}
    properties: dict[str, Any] = {
        "predictions": {"type": "array", "items": item},
        "model": {"type": "string"},
        "version": {"type": "string"},
        "request_id": {"type": "string"},
    }
    required = list(properties)
    if output.get("probabilities"):
        properties["probabilities"] = {
            "type": "array",
            "items": {"type": "array", "items": {"type": ["number", "null"]}},
            "description": f"per row one per class, in this order: {output.get('classes')}",
        }
    return {"type": "object", "properties": properties, "required": required}


def _feedback() -> dict[str, Any]:
    label = {"$ref": "#/components/schemas/Label"}
    labels = {"type": "array", "items": label}
    envelope = {"type": "object", "properties": {"labels": labels}, "required": ["labels"], "additionalProperties": False}
    errors = {**_ERRORS, "422": "An item is no label.", "503": "The labels cannot be kept."}
    return {
        "operationId": "feedback",
        "summary": "Hand in what predictions should have been, any time later.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": [label, labels, envelope]}}}},
        "responses": {
            "202": _answer("The labels are kept.", _ACCEPTED),
            **{status: _answer(text, {"$ref": "#/components/schemas/Error"}) for status, text in errors.items()},
        },
    }


def _label(schema: Mapping[str, Any]) -> dict[str, Any]:
    output = schema["output"]
    classes = output.get("classes") if output["type"] == "class" else None
    value: dict[str, Any] = {"type": ["string", "number", "boolean"], "maxLength": LONGEST_LABEL}
    if classes:
        value["examples"] = list(classes[:2])
    return {
        "type": "object",
        "properties": {
            "request_id": {"type": "string", "minLength": 1, "maxLength": 128, "description": "of the answer that held the prediction"},
            "row": {"type": "integer", "minimum": 0, "default": 0, "description": "of that request, from 0"},
            "label": value,
        },
        "required": ["request_id", "label"],
        "additionalProperties": False,
    }


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _read(name: str, summary: str) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": {"200": _answer(summary, {"type": "object"})}}


_ROWS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"rows": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}}},
    "required": ["rows"],
    "additionalProperties": False,
}
_ACCEPTED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer", "description": "labels"},
        "model": {"type": "string"},
        "version": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["accepted", "model", "version", "request_id"],
}
_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "object"},
                "request_id": {"type": "string"},
            },
            "required": ["code", "message", "details", "request_id"],
        }
    },
    "required": ["error"],
}
_ERRORS: Final = {
    "400": "The body is not JSON.",
    "413": "Too many bytes or rows.",
    "415": "Another content type than JSON.",
    "422": "The rows do not fit the schema, or the model does not take them.",
    "500": "The model failed.",
    "503": "Not ready.",
}
