"""JSON Schemas of what a model takes and answers, and of labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.service.example import has_hidden_categories, is_zoned
from mlsandbox_serving.service.feedback import LONGEST_LABEL

Json = dict[str, Any]

_LARGEST_FLOATS: Final = {"16": 65504.0, "32": 3.4028234663852886e38, "64": 1.7976931348623157e308}
_INTEGER: Final = re.compile(r"(?P<unsigned>u?)int(?P<bits>8|16|32|64)", re.IGNORECASE)
_HIDDEN: Final = "one of the column's categories, which are not shown: it is private or hashed"
_FLOAT: Final = re.compile(r"float(?P<bits>16|32)|(?P<arrow>float|halffloat)\[pyarrow\]", re.IGNORECASE)


def prediction_schemas(schema: Mapping[str, Any]) -> Json:
    """By name: Row, Predictions, Label, Accepted."""
    return {"Row": _row(schema), "Predictions": _predictions(schema), "Label": _label(schema), "Accepted": _ACCEPTED}


def rows_form() -> Json:
    """`{"rows": […]}`."""
    rows = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Row"}}
    return {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}


def columns_form(schema: Mapping[str, Any]) -> Json:
    """`{"columns": {…}}`."""
    columns = {
        "type": "object",
        "description": "All of one length.",
        "properties": {column["name"]: {"type": "array", "minItems": 1, "items": _value(column)} for column in schema["columns"]},
        "required": [column["name"] for column in schema["columns"]],
        "additionalProperties": False,
    }
    return {"type": "object", "properties": {"columns": columns}, "required": ["columns"], "additionalProperties": False}


def _row(schema: Mapping[str, Any]) -> Json:
    return {
        "type": "object",
        "properties": {column["name"]: _value(column) for column in schema["columns"]},
        "required": [column["name"] for column in schema["columns"]],
        "additionalProperties": False,
    }


def _value(column: Mapping[str, Any]) -> Json:
    kind = column["type"]
    if has_hidden_categories(column):
        return {"type": [*column["categories_types"], *(["null"] if column.get("nullable") else [])], "description": _HIDDEN}
    if kind == "category":
        return {"enum": [*column["categories"], *([None] if column.get("nullable") else [])]}
    value = dict(_TYPES[kind])
    if kind == "integer":
        value |= _integers(column["dtype"])
    if kind == "float":
        value |= _floats(column["dtype"])
    if kind == "datetime":
        value |= _instants(column)
    if column.get("nullable"):
        value["type"] = [value["type"], "null"]
    if column.get("minimum") is not None and column.get("maximum") is not None:
        value["description"] = f"reference data: {column['minimum']} to {column['maximum']} (not enforced)"
    return value


_TYPES: Final[Mapping[str, Json]] = {
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "datetime": {"type": "string"},
}


def _integers(dtype: str) -> Json:
    """What the dtype holds; Python's own integers are held by int64."""
    match = _INTEGER.search(dtype)
    bits = int(match["bits"]) if match else 64
    if match and match["unsigned"]:
        return {"minimum": 0, "maximum": 2**bits - 1}
    return {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}


def _floats(dtype: str) -> Json:
    match = _FLOAT.search(dtype)
    bits = "64" if match is None else match["bits"] or {"float": "32", "halffloat": "16"}[match["arrow"].lower()]
    return {"minimum": -_LARGEST_FLOATS[bits], "maximum": _LARGEST_FLOATS[bits]}


def _instants(column: Mapping[str, Any]) -> Json:
    """Source of the formats: RFC 3339 and https://spec.openapis.org/registry/format/date-time-local.html."""
    years = "1678 to 2261" if "[ns" in column["dtype"] else "1 to 9999"
    if is_zoned(column):
        return {"format": "date-time", "description": f"ISO 8601 with its offset, of the years {years}"}
    return {"format": "date-time-local", "description": f"ISO 8601 without an offset, of the years {years}"}


def _predictions(schema: Mapping[str, Any]) -> Json:
    output = schema["output"]
    item: Json = {}
    if output["type"] == "number":
        item = {"type": ["number", "null"]}
    if output["type"] == "array":
        item = {"type": "array"}
    if output["type"] == "class" and output.get("classes"):
        item = {"enum": list(output["classes"])}
    properties: Json = {
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
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _label(schema: Mapping[str, Any]) -> Json:
    output = schema["output"]
    classes = output.get("classes") if output["type"] == "class" else None
    kinds = [
        {"type": "string", "maxLength": LONGEST_LABEL},
        {"type": "number", "minimum": -(2**63), "maximum": 2**63 - 1},
        {"type": "boolean"},
    ]
    label: Json = {"anyOf": kinds}
    if classes:
        label["examples"] = list(classes[:2])
    return {
        "type": "object",
        "properties": {
            "request_id": {"type": "string", "pattern": "^[ -~]{1,128}$", "description": "of the answer that held the prediction"},
            "row": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0, "description": "of that request, from 0"},
            "label": label,
        },
        "required": ["request_id", "label"],
        "additionalProperties": False,
    }


_ACCEPTED: Final[Json] = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer", "description": "labels"},
        "model": {"type": "string"},
        "version": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["accepted", "model", "version", "request_id"],
}
