"""What the Open Inference Protocol says about a model before it is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import NotReady, Route
from mlsandbox_serving.service.oip import Inference, error_body, header_length, is_protocol, refuse_other_content
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.readiness import LOADING, State
from mlsandbox_serving.service.refusal import RequestRefused


def package(columns: list[dict[str, Any]] | None = None, **output: Any) -> Package:
    """A package of which only the signature is looked at."""
    manifest = {"model": "toy", "version": "v2", "load": {"kind": "sklearn"}}
    schema = {"columns": columns or [{"name": "x", "type": "float", "dtype": "float64"}], "output": output or {"type": "number"}}
    return Package(Path(), manifest, schema, None)


def asked(path: str, state: State | None = None, of: Package | None = None) -> tuple[int, dict[str, Any]]:
    inference = Inference(of or package())
    found = inference.find(path)
    assert found is not None
    answer = inference.answer(found, state or State())
    content: dict[str, Any] = json.loads(answer.body)
    return answer.status, content


@pytest.mark.parametrize(
    ("path", "route", "methods"),
    [
        ("/v2", Route.V2, ("GET", "HEAD")),
        ("/v2/", Route.V2, ("GET", "HEAD")),
        ("/v2/health/live", Route.V2_LIVE, ("GET", "HEAD")),
        ("/v2/health/ready", Route.V2_READY, ("GET", "HEAD")),
        ("/v2/models/toy", Route.V2_MODEL, ("GET", "HEAD")),
        ("/v2/models/toy/ready", Route.V2_MODEL_READY, ("GET", "HEAD")),
        ("/v2/models/toy/infer", Route.V2_INFER, ("POST",)),
        ("/v2/models/toy/versions/v2", Route.V2_MODEL, ("GET", "HEAD")),
        ("/v2/models/toy/versions/v2/ready", Route.V2_MODEL_READY, ("GET", "HEAD")),
        ("/v2/models/toy/versions/v2/infer", Route.V2_INFER, ("POST",)),
    ],
)
def test_paths_are_found(path: str, route: str, methods: tuple[str, ...]) -> None:
    """Each path of the protocol, with and without a version, must lead to its route, whose name holds nothing of the path."""
    found = Inference(package()).find(path)

    assert found is not None
    assert (found.route, found.methods) == (route, methods)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2x",
        "/v2/models",
        "/v2/models/",
        "/v2/models/toy/",
        "/v2/models/toy/config",
        "/v2/models/toy/versions",
        "/v2/repository/index",
    ],
)
def test_other_paths_are_none(path: str) -> None:
    """What the protocol does not have must not be taken for something that it has."""
    assert Inference(package()).find(path) is None


@pytest.mark.parametrize("path", ["/v2/models/CANARY", "/v2/models/CANARY/infer", "/v2/models/toy/versions/CANARY/infer"])
def test_another_model_or_version_is_refused(path: str) -> None:
    """Another model or version must be a 404 that says what there is, and repeats nothing."""
    with pytest.raises(RequestRefused, match=r"there is (toy|v2 of toy)") as caught:
        Inference(package()).find(path)

    assert caught.value.failure.status == 404
    assert "CANARY" not in caught.value.message


def test_the_server_tells_its_extensions() -> None:
    """The server's metadata must name the extension by which tensors are sent in binary form."""
    assert asked("/v2") == (200, {"name": "mlsandbox", "version": "v2", "extensions": ["binary_tensor_data"]})


def column(kind: str, dtype: str, categories: list[Any] | None = None) -> dict[str, Any]:
    return {"name": "x", "type": kind, "dtype": dtype, "categories": categories}


@pytest.mark.parametrize(
    ("told", "datatype"),
    [
        (column("float", "float64"), "FP64"),
        (column("float", "Float64"), "FP64"),
        (column("float", "double[pyarrow]"), "FP64"),
        (column("float", "float32"), "FP32"),
        (column("float", "float[pyarrow]"), "FP32"),
        (column("float", "float16"), "FP32"),
        (column("integer", "int8"), "INT8"),
        (column("integer", "UInt16"), "UINT16"),
        (column("integer", "int64[pyarrow]"), "INT64"),
        (column("integer", "object"), "INT64"),
        (column("boolean", "bool"), "BOOL"),
        (column("string", "object"), "BYTES"),
        (column("datetime", "datetime64[ns]"), "BYTES"),
        (column("category", "category", ["a", "b"]), "BYTES"),
        (column("category", "category", [1, 2]), "INT64"),
        (column("category", "category", [True, False]), "BOOL"),
        (column("category", "category", [1, 2.5]), "FP64"),
        (column("category", "category", [1, "a"]), "BYTES"),
    ],
)
def test_columns_have_datatypes(told: dict[str, Any], datatype: str) -> None:
    """The model's metadata must have one input per column, of the datatype that holds its values."""
    _, metadata = asked("/v2/models/toy", of=package([told]))

    assert metadata["inputs"] == [{"name": "x", "datatype": datatype, "shape": [-1, 1]}]


def test_the_model_tells_its_outputs() -> None:
    """The model's metadata must have its platform, version, outputs and, in the order of the probabilities, its classes."""
    _, metadata = asked("/v2/models/toy", of=package(type="class", classes=["no", "yes"], probabilities=True))

    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("toy", ["v2"], "sklearn_pickle")
    assert metadata["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]
    assert metadata["properties"] == {"classes": '["no", "yes"]'}
    assert asked("/v2/models/toy", of=package(type="array"))[1]["outputs"] == [{"name": "predict", "datatype": "FP64", "shape": [-1, -1]}]


def test_health_is_told() -> None:
    """A service that loads must be live and not ready, with a text why, and one that is ready must be both."""
    reason = {"error": f"not ready: {LOADING.reason}", "code": NotReady.LOADING}

    assert asked("/v2/health/live", LOADING) == (200, {"live": True})
    assert asked("/v2/health/ready", LOADING) == (503, {"live": True, "ready": False, **reason})
    assert asked("/v2/models/toy/ready", LOADING) == (503, {"name": "toy", "ready": False, **reason})
    assert asked("/v2/health/ready") == (200, {"live": True, "ready": True})
    assert asked("/v2/models/toy/ready") == (200, {"name": "toy", "ready": True})


def test_errors_are_texts() -> None:
    """An error of the protocol must be a text, with the rest of what we tell beside it."""
    refused = RequestRefused(404, "NOT_FOUND", "no such model", details={"a": 1})

    assert error_body(refused, "r1") == {"error": "no such model", "code": "NOT_FOUND", "details": {"a": 1}, "request_id": "r1"}
    assert [path for path in ("/v2", "/v2/", "/v2/x", "/v2x", "/predict") if is_protocol(path)] == ["/v2", "/v2/", "/v2/x"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "none"},
        {"content-type": "application/json; charset=utf-8", "origin": "http://127.0.0.1"},
        {"content-type": "application/problem+json"},
        {"content-type": "Application/Octet-Stream"},
        {"content-encoding": "identity"},
    ],
)
def test_what_clients_send_is_taken(headers: dict[str, str]) -> None:
    """JSON, bytes, and a body without a type that comes from no page must be taken."""
    refuse_other_content(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"origin": "http://example.org"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_what_a_page_may_send_unasked_is_refused(headers: dict[str, str]) -> None:
    """What a browser sends to another site without asking it first must be refused, and what is compressed too."""
    with pytest.raises(RequestRefused) as caught:
        refuse_other_content(headers)

    assert caught.value.failure.status == 415


def test_the_length_of_the_json_is_a_number() -> None:
    """The header with the length of the JSON must be a number of bytes, and may be missing."""
    assert header_length({}) is None
    assert header_length({"inference-header-content-length": "17"}) == 17
    for text in ("", "-1", "1.5", "x", "²", "9" * 19):
        with pytest.raises(RequestRefused, match="not a number of bytes"):
            header_length({"inference-header-content-length": text})
