"""OpenAPI 3.1 of a model service, made from its schema, with a row of the reference data as example."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.contract import ENVELOPES, Header, Route
from mlsandbox_serving.metrics import CONTENT_TYPE as METRICS_TYPE
from mlsandbox_serving.service.codecs import MEDIA_TYPES
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.example import example_row, placeholder
from mlsandbox_serving.service.openapi_answers import ENTITY, TEXT, answered, components, refusals, secured
from mlsandbox_serving.service.openapi_inference import inference_paths, inference_schemas
from mlsandbox_serving.service.openapi_schemas import columns_form, prediction_schemas, rows_form
from mlsandbox_serving.service.package import Package

_ABOUT: Final = """\
Any other path is answered with 404, and any other method of a path with 405 and an `Allow` header. Each of these answers, and each error
below, has the body of `Error`, or of `InferenceError` under `/v2`. What cannot be read as HTTP gets 400, headers that are too large or
too many 431, and a connection too many 503, all three with the body of `Error`. GET routes take HEAD, too.
"""
_NUMBERS: Final = frozenset({"float", "integer", "boolean"})
_REQUEST_HEADERS: Final = [
    {
        "name": Header.REQUEST_ID,
        "in": "header",
        "schema": {"type": "string"},
        "description": "An id for this request: of 1 to 128 printable ASCII characters it is kept, anything else is replaced by a new one.",
    },
    {
        "name": Header.TRACEPARENT,
        "in": "header",
        "schema": {"type": "string"},
        "description": "W3C trace context (https://www.w3.org/TR/trace-context/); its trace id is logged. What is not valid is ignored.",
    },
]


def document(package: Package, *, keys: bool = False) -> dict[str, Any]:
    """The whole document.

    Args:
        package: what is served.
        keys: whether an API key is needed.
    """
    identity = package.identity
    schema = package.public_schema
    example = example_row(package)
    row = example or {column["name"]: placeholder(column) for column in schema["columns"]}
    paths: dict[str, dict[str, Any]] = {
        Route.PREDICT: {"post": _predict(schema, row)},
        Route.FEEDBACK: {"post": _feedback()},
        **_reads(),
        **inference_paths(identity, package.schema, row),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": identity.model, "version": identity.version, "description": _ABOUT},
        "paths": secured(paths, keys=keys),
        **({"security": [{"key": []}, {"bearer": []}]} if keys else {}),
        "components": components({**prediction_schemas(schema), **inference_schemas(schema)}, keys=keys),
        "tags": [
            {"name": "predictions"},
            {
                "name": "inference",
                "description": "The Open Inference Protocol, version 2 (https://github.com/kserve/open-inference-protocol)",
            },
            {"name": "about"},
            {"name": "health"},
        ],
    }


def _predict(schema: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "predict",
        "tags": ["predictions"],
        "summary": "Predict one row, several rows, or columns.",
        "description": "The answer comes in the format that `Accept` likes best: JSON unless it says otherwise.",
        "parameters": [*_REQUEST_HEADERS, ENTITY],
        "requestBody": {"required": True, "content": _bodies(schema, row)},
        "responses": {
            "200": {
                **answered("Predictions, one per row and in their order.", _answers()),
                "links": {"label": _label_link(schema)},
            },
            **refusals("400", "408", "413", "415", "422", "500", "503", "504"),
        },
    }


def _bodies(schema: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What a request may hold; numpy's format only where all columns are numbers."""
    names = [column["name"] for column in schema["columns"]]
    forms = [rows_form(), columns_form(schema)]
    examples = {
        "rows": {"summary": "Several rows", "value": {"rows": [row]}},
        "columns": {"summary": "Columns, faster for many rows", "value": {"columns": {name: [row.get(name)] for name in names}}},
    }
    json: dict[str, Any] = {"schema": {"anyOf": forms}, "examples": examples}
    if not any(name in ENVELOPES for name in names):
        json = {
            "schema": {"anyOf": [{"$ref": "#/components/schemas/Row"}, *forms]},
            "examples": {"row": {"summary": "One row", "value": row}, **examples},
        }
    bodies = {
        JSON: json,
        CSV: {
            "schema": {"type": "string", "description": "UTF-8; the first line names the columns, in any order (RFC 4180)."},
            "examples": {"row": {"value": _csv(names, row)}},
        },
        ARROW: {"schema": {"description": "An Arrow stream of record batches with the model's columns by name, in any order."}},
        NPY: {"schema": {"description": "One array of numbers, of the shape (rows, columns) in the model's order; NaN is null."}},
    }
    numbers = all(column["type"] in _NUMBERS for column in schema["columns"])
    return {name: bodies[name] for name in MEDIA_TYPES if numbers or name != NPY}


def _csv(names: list[str], row: Mapping[str, Any]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(names)
    writer.writerow([{True: "true", False: "false"}[value] if isinstance(value, bool) else value for value in map(row.get, names)])
    return file.getvalue()


def _answers() -> dict[str, Any]:
    columns = "One column per prediction and, with probabilities, one per class."
    return {
        JSON: {"schema": {"$ref": "#/components/schemas/Predictions"}},
        CSV: {"schema": {"type": "string", "description": columns}},
        ARROW: {"schema": {"description": f"{columns} Model, version and request id are the schema's metadata."}},
        NPY: {"schema": {"description": "The predictions, or with `content=probabilities` in `Accept` the probabilities."}},
    }


def _label_link(schema: Mapping[str, Any]) -> dict[str, Any]:
    classes = schema["output"].get("classes") or [0]
    return {
        "operationId": "feedback",
        "description": "What a prediction should have been can be handed in any time later.",
        "requestBody": {"request_id": "$response.body#/request_id", "row": 0, "label": classes[0]},
    }


def _feedback() -> dict[str, Any]:
    label = {"$ref": "#/components/schemas/Label"}
    labels = {"type": "array", "items": label}
    envelope = {"type": "object", "properties": {"labels": labels}, "required": ["labels"], "additionalProperties": False}
    return {
        "operationId": "feedback",
        "tags": ["predictions"],
        "summary": "Hand in what predictions should have been, any time later.",
        "parameters": _REQUEST_HEADERS,
        "requestBody": {"required": True, "content": {JSON: {"schema": {"anyOf": [label, labels, envelope]}}}},
        "responses": {
            "202": answered("The labels are kept.", {JSON: {"schema": {"$ref": "#/components/schemas/Accepted"}}}),
            **refusals("400", "408", "413", "415", "422", "500", "503", "504"),
        },
    }


def _reads() -> dict[str, dict[str, Any]]:
    state = {JSON: {"schema": {"$ref": "#/components/schemas/State"}}}
    alive = {"type": "object", "properties": {"live": {"const": True}, "stack_id": {"type": "string"}}, "required": ["live"]}
    ready = "Whether predictions are answered, and if not why."
    return {
        Route.PAGE: _read("page", "about", "A page for people, with a form.", {"text/html": TEXT}),
        Route.SCHEMA: _read("schema", "about", "The model's columns and what it answers.", {JSON: {"schema": {"type": "object"}}}),
        Route.OPENAPI: _read("openapi", "about", "This document.", {JSON: {"schema": {"type": "object"}}}),
        Route.LIVE: _read("livez", "health", "Whether the process lives.", {JSON: {"schema": alive}}),
        Route.READY: _read("readyz", "health", ready, state, **{"503": answered("Not ready; `final`: waiting will not help.", state)}),
        Route.METRICS: _read("metrics", "health", "Prometheus metrics.", {METRICS_TYPE.partition(";")[0]: TEXT}),
    }


def _read(name: str, tag: str, summary: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "tags": [tag],
            "summary": summary,
            "parameters": _REQUEST_HEADERS,
            "responses": {"200": answered(summary, content), **refusals("500"), **more},
        }
    }
