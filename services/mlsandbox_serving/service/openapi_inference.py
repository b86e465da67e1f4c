"""The routes of the Open Inference Protocol in the OpenAPI document.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, and Triton's extension for
binary tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlsandbox_serving.contract import Header, Route
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.exchange import JSON
from mlsandbox_serving.service.oip import datatypes
from mlsandbox_serving.service.oip.inference import BINARY
from mlsandbox_serving.service.openapi_answers import ENTITY, answered, refusals

Json = dict[str, Any]

_VERSIONED: Final = "/versions/{version}"


def inference_paths(identity: Identity, schema: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    """The protocol's routes; those of the model also with its version."""
    live, ready = _health("live"), _health("ready")
    server = {"name": {"type": "string"}, "version": {"type": "string"}, "extensions": {"type": "array", "items": {"type": "string"}}}
    paths: Json = {
        Route.V2: {"get": _get("server", "What this server is.", _object(server))},
        Route.V2_LIVE: {"get": _get("server_live", "Whether the process lives.", live)},
        Route.V2_READY: {"get": _get("server_ready", "Whether predictions are answered.", ready, unready=ready)},
    }
    model: Json = {"name": "model", "in": "path", "required": True, "schema": {"enum": [identity.model]}}
    version: Json = {"name": "version", "in": "path", "required": True, "schema": {"enum": [identity.version]}}
    named = _object({"name": {"type": "string"}, "ready": {"type": "boolean"}})
    for suffix, of_version, parameters in (("", "", [model]), (_VERSIONED, "_version", [model, version])):
        base = Route.V2_MODEL + suffix
        lead = {"parameters": parameters}
        about = _get(f"model{of_version}", "The tensors that the model takes and answers.", {"$ref": "#/components/schemas/ModelMetadata"})
        state = _get(f"model{of_version}_ready", "Whether the model answers.", named, unready=named)
        paths[base] = {"get": {**lead, **_of_model(about)}}
        paths[base + Route.V2_MODEL_READY.removeprefix(Route.V2_MODEL)] = {"get": {**lead, **_of_model(state)}}
        infer = _infer(f"infer{of_version}", schema, row)
        infer["parameters"] = [*parameters, *infer["parameters"]]
        paths[base + Route.V2_INFER.removeprefix(Route.V2_MODEL)] = {"post": infer}
    return paths


def inference_schemas(schema: Mapping[str, Any]) -> Json:
    """By name: what the protocol's JSON looks like."""
    parameters: Json = {"type": "object"}
    flag = {"type": "boolean", "description": "whether tensors are answered in binary form"}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    data = {"type": "array", "description": "row-major, nested or flat"}
    tensor = {"name": {"type": "string"}, "shape": shape, "datatype": {"enum": list(datatypes.ALL)}, "parameters": parameters, "data": data}
    described = {
        "name": {"type": "string"},
        "datatype": {"enum": list(datatypes.ALL)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
    }
    outputs = [datatypes.PREDICT, *([datatypes.PREDICT_PROBA] if schema["output"].get("probabilities") else [])]
    own = {"type": "object", "properties": {"binary_data": flag, "classification": {"const": 0}}}
    wanted = {"name": {"enum": outputs}, "parameters": own}
    return {
        "InferenceTensor": _object(tensor, "name", "shape", "datatype"),
        "InferenceRequest": _object(
            {
                "id": {"type": "string"},
                "parameters": {"type": "object", "properties": {"binary_data_output": flag}},
                "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/InferenceTensor"}, "minItems": 1},
                "outputs": {"type": "array", "items": _object(wanted, "name")},
            },
            "inputs",
        ),
        "InferenceResponse": _object(
            {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": {"type": "string"},
                "parameters": parameters,
                "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/InferenceTensor"}},
            },
            "model_name",
            "outputs",
        ),
        "ModelMetadata": _object(
            {
                "name": {"type": "string"},
                "versions": {"type": "array", "items": {"type": "string"}},
                "platform": {"type": "string"},
                "inputs": {"type": "array", "items": _object(described)},
                "outputs": {"type": "array", "items": _object(described)},
                "properties": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "name",
            "versions",
            "platform",
            "inputs",
            "outputs",
        ),
    }


def _infer(name: str, schema: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    request = {"schema": {"$ref": "#/components/schemas/InferenceRequest"}, "examples": {"row": {"value": _example(schema, row)}}}
    behind = {"schema": {"description": f"The same JSON, of {Header.INFERENCE_LENGTH} bytes, and the tensors' bytes behind it."}}
    answer = {JSON: {"schema": {"$ref": "#/components/schemas/InferenceResponse"}}, BINARY: behind}
    length = {
        "name": Header.INFERENCE_LENGTH,
        "in": "header",
        "schema": {"type": "integer", "minimum": 1},
        "description": "Bytes of the JSON, when tensors in binary form stand behind it.",
    }
    return {
        "operationId": name,
        "tags": ["inference"],
        "summary": "Predict rows that come as tensors: one per column, or one of all columns.",
        "parameters": [length, ENTITY],
        "requestBody": {"required": True, "content": {JSON: request, BINARY: behind}},
        "responses": {
            "200": answered("Tensors with one element per row.", answer),
            **refusals("400", "404", "408", "413", "415", "422", "500", "503", "504", protocol=True),
        },
    }


def _example(schema: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    return {
        "inputs": [
            {"name": column["name"], "shape": [1, 1], "datatype": datatypes.of_column(column), "data": [row.get(column["name"])]}
            for column in schema["columns"]
        ]
    }


def _get(name: str, summary: str, schema: Json, *, unready: Json | None = None) -> Json:
    responses = {"200": answered(summary, {JSON: {"schema": schema}}), **refusals("500", protocol=True)}
    if unready is not None:
        responses["503"] = answered("Not ready.", {JSON: {"schema": unready}})
    tag = "health" if "live" in name or "ready" in name else "inference"
    return {"operationId": name, "tags": [tag], "summary": summary, "responses": responses}


def _of_model(operation: Json) -> Json:
    return {**operation, "responses": {**operation["responses"], **refusals("404", protocol=True)}}


def _health(name: str) -> Json:
    return {"type": "object", "properties": {name: {"type": "boolean"}}, "required": [name]}


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required or properties)}
