"""Everything of the protocol but /infer itself: which path is which, metadata, health, and how errors are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlsandbox_serving.contract import ErrorCode, Header, ModelKind, Route
from mlsandbox_serving.service.codecs.media_types import refuse_compressed
from mlsandbox_serving.service.exchange import JSON, Answer, json_answer
from mlsandbox_serving.service.oip import datatypes
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.readiness import State
from mlsandbox_serving.service.refusal import RequestRefused, unreadable

BINARY: Final = "application/octet-stream"
EXTENSIONS: Final = ("binary_tensor_data",)

_GET: Final = ("GET", "HEAD")
_POST: Final = ("POST",)
_OF_MODEL: Final[Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]]] = {
    (): (Route.V2_MODEL, _GET),
    ("ready",): (Route.V2_MODEL_READY, _GET),
    ("infer",): (Route.V2_INFER, _POST),
}
_OF_SERVER: Final[Mapping[str, str]] = {
    Route.V2: Route.V2,
    f"{Route.V2}/": Route.V2,  # the protocol's OpenAPI spells it so
    Route.V2_LIVE: Route.V2_LIVE,
    Route.V2_READY: Route.V2_READY,
}
_MODELS: Final = "/v2/models/"
_PLATFORMS: Final[Mapping[str, str]] = {
    ModelKind.SKLEARN: "sklearn_pickle",
    ModelKind.XGBOOST: "xgboost_booster",
    ModelKind.LIGHTGBM: "lightgbm_booster",
    ModelKind.CATBOOST: "catboost_cbm",
    ModelKind.ONNX: "onnx_onnxv1",
    ModelKind.TORCHSCRIPT: "pytorch_torchscript",
    ModelKind.MLFLOW: "mlflow_pyfunc",
    ModelKind.PYTHON: "python_predictor",
}
"""In the protocol's form, project_format, and its own names where it has one."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a path asks for.

    Args:
        route: one of Route.V2…; paths with and without a version have the same.
        methods: that it takes.
    """

    route: str
    methods: tuple[str, ...]


class Inference:
    """Answers each GET of the protocol.

    Args:
        package: what is served.
    """

    def __init__(self, package: Package) -> None:
        self._model = package.identity.model
        self._version = package.identity.version
        self._metadata = _metadata(package)

    def find(self, path: str) -> Found | None:
        """What a path asks for; None when the protocol has no such path.

        Args:
            path: decoded, as ASGI has it.

        Raises:
            RequestRefused: 404, there is no such model or version here.
        """
        if path in _OF_SERVER:
            return Found(_OF_SERVER[path], _GET)
        if not path.startswith(_MODELS):
            return None
        model, *rest = path.removeprefix(_MODELS).split("/")
        version = None
        if rest[:1] == ["versions"] and len(rest) > 1:
            version, rest = rest[1], rest[2:]
        known = _OF_MODEL.get(tuple(rest))
        if known is None or not model:
            return None
        if model != self._model:
            raise RequestRefused(404, ErrorCode.NOT_FOUND, f"no such model; there is {self._model}")
        if version is not None and version != self._version:
            raise RequestRefused(404, ErrorCode.NOT_FOUND, f"no such version; there is {self._version} of {self._model}")
        return Found(*known)

    def answer(self, found: Found, state: State) -> Answer:
        """The answer to a GET.

        Args:
            found: what is asked for; not Route.V2_INFER.
            state: of the service.
        """
        if found.route == Route.V2:
            return json_answer(200, {"name": "mlsandbox", "version": self._version, "extensions": EXTENSIONS})
        if found.route == Route.V2_LIVE:
            return json_answer(200, {"live": True})
        if found.route == Route.V2_MODEL:
            return json_answer(200, self._metadata)
        # The protocol calls it "live" in its text, and its clients look for "ready": both are there.
        content: dict[str, Any] = {"name": self._model} if found.route == Route.V2_MODEL_READY else {"live": True}
        content["ready"] = state.ready
        if not state.ready:
            content |= {"error": f"not ready: {state.reason}", "code": state.code}
        return json_answer(200 if state.ready else 503, content)


def is_protocol(path: str) -> bool:
    """Whether errors of this path are told as the protocol has it."""
    return path == Route.V2 or path.startswith(f"{Route.V2}/")


def error_body(refused: RequestRefused, request_id: str) -> dict[str, Any]:
    """The JSON of an error: `error` is a text, as the protocol has it and as its clients need it; the rest stands beside it."""
    return {"error": refused.message, "code": refused.failure.code, "details": refused.details, "request_id": request_id}


def header_length(headers: Mapping[str, str]) -> int | None:
    """Bytes of the JSON at the start of the body; None when the body is JSON alone.

    Raises:
        RequestRefused: 400, the header is no number.
    """
    text = headers.get(Header.INFERENCE_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise unreadable(f"the header {Header.INFERENCE_LENGTH} is not a number of bytes")
    return int(text)


def refuse_other_content(headers: Mapping[str, str]) -> None:
    """Take JSON, JSON with tensors behind it, and what has no type at all: Triton's client sends none.

    A browser can be made to send a body without a type to another site unasked, but then it says from where.

    Raises:
        RequestRefused: 415.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    of_a_page = "origin" in headers or headers.get("sec-fetch-site", "none") != "none"
    if content_type not in {JSON, BINARY} and not content_type.endswith("+json") and (content_type or of_a_page):
        message = f"the body must be {JSON}, or {BINARY} when binary tensors follow the JSON"
        raise RequestRefused(415, ErrorCode.UNSUPPORTED_MEDIA_TYPE, message, headers={"accept": f"{JSON}, {BINARY}"})
    refuse_compressed(headers)


def _metadata(package: Package) -> dict[str, Any]:
    output = package.schema["output"]
    shape = [-1, -1] if output["type"] == "array" else [-1]
    outputs = [{"name": datatypes.PREDICT, "datatype": datatypes.of_prediction(output), "shape": shape}]
    classes = list(output.get("classes") or ())
    if output.get("probabilities"):
        outputs.append({"name": datatypes.PREDICT_PROBA, "datatype": datatypes.FP64, "shape": [-1, len(classes) or -1]})
    metadata: dict[str, Any] = {
        "name": package.identity.model,
        "versions": [package.identity.version],
        "platform": _PLATFORMS[package.manifest["load"]["kind"]],
        "inputs": [
            {"name": column["name"], "datatype": datatypes.of_column(column), "shape": [-1, 1]} for column in package.schema["columns"]
        ],
        "outputs": outputs,
    }
    if classes:
        metadata["properties"] = {"classes": json.dumps(classes, ensure_ascii=False)}  # a property is a text
    return metadata
