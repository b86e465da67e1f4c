"""The OpenAPI document of a model service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from mlsandbox_serving.contract import Route
from mlsandbox_serving.service.access import is_open
from mlsandbox_serving.service.openapi import document
from mlsandbox_serving.service.package import Package
from support.served import Laid

OF_OTHERS = {Route.ALERTS, Route.STATUS, Route.REPORT, Route.REPORT_PAGE}
"""Routes of other services."""
ROUTES = {value for name, value in vars(Route).items() if name.isupper()} - OF_OTHERS


@pytest.fixture(params=[False, True])
def content(plain: Laid, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The document, without and with keys."""
    return document(Package.read(plain.root), keys=request.param)


def parts(content: Any) -> Iterator[Mapping[str, Any]]:
    """Every object within."""
    if isinstance(content, Mapping):
        yield content
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from parts(each)


def resolved(content: Mapping[str, Any], reference: str) -> Any:
    found: Any = content
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def operations(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((path, operation) for path, item in content["paths"].items() for operation in item.values())


def schema_of(content: Mapping[str, Any], schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": content["components"]})


def test_the_whole_interface_is_described(content: dict[str, Any]) -> None:
    """Each route of a model service is in the document, the protocol's with and without a version, and each operation has its own id."""
    versioned = {path for path in content["paths"] if "{version}" in path}

    assert set(content["paths"]) - versioned == ROUTES
    assert {path.replace("/versions/{version}", "") for path in versioned} == {path for path in ROUTES if "{model}" in path}
    ids = [operation["operationId"] for _, operation in operations(content)]
    assert len(set(ids)) == len(ids)


def test_it_is_openapi(content: dict[str, Any]) -> None:
    """A tool reads it, every reference leads somewhere, and every schema is one."""
    assert len(list(schemathesis.openapi.from_dict(content).get_all_operations())) == len(list(operations(content)))
    for part in parts(content):
        if isinstance(part.get("$ref"), str):
            resolved(content, part["$ref"])
        if isinstance(part.get("schema"), Mapping):
            jsonschema_rs.meta.validate(part["schema"])
    for schema in content["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_the_examples_fit_their_schemas(content: dict[str, Any]) -> None:
    """Each example of a JSON body is what its schema says."""
    checked = 0
    for _, operation in operations(content):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for example in media.get("examples", {}).values():
                schema_of(content, media["schema"]).validate(example["value"])
                checked += 1

    assert checked == 6


def test_errors_are_described_for_each_route(content: dict[str, Any]) -> None:
    """What takes a body names each way in which it is refused; 503 says when to come back."""
    for path, operation in operations(content):
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "422", "500", "503", "504"} <= set(operation["responses"])
        assert ("404" in operation["responses"]) == ("{model}" in path)
    assert "Retry-After" in resolved(content, content["paths"][Route.PREDICT]["post"]["responses"]["503"]["$ref"])["headers"]


def test_keys_are_asked_for_where_they_are_needed(plain: Laid) -> None:
    """With keys all routes but the probes and the metrics need one, either way, and answer 401 without; else none is spoken of."""
    without, keyed = (document(Package.read(plain.root), keys=keys) for keys in (False, True))

    assert keyed["security"] == [{name: []} for name in keyed["components"]["securitySchemes"]]
    for path, operation in operations(keyed):
        assert (operation.get("security") == []) == is_open(path)
        assert ("401" in operation["responses"]) != is_open(path)
    assert "security" not in without
    assert not [path for path, operation in operations(without) if "401" in operation["responses"]]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("int64", -(2**63), 2**63 - 1), ("UInt8", 0, 255), ("int16[pyarrow]", -(2**15), 2**15 - 1), ("object", -(2**63), 2**63 - 1)],
)
def test_bounds_of_integers_are_those_of_their_type(dtype: str, low: int, high: int) -> None:
    """A whole number may be what its type holds."""
    value = row_of(columns=[{"name": "a", "type": "integer", "dtype": dtype}])["a"]

    assert (value["minimum"], value["maximum"]) == (low, high)


@pytest.mark.parametrize(
    ("dtype", "most"), [("float32", 3.4028234663852886e38), ("float[pyarrow]", 3.4028234663852886e38), ("Float64", 1.7976931348623157e308)]
)
def test_bounds_of_floats_are_those_of_their_type(dtype: str, most: float) -> None:
    """A number may be what its type holds."""
    value = row_of(columns=[{"name": "a", "type": "float", "dtype": dtype}])["a"]

    assert (value["minimum"], value["maximum"]) == (-most, most)


def test_npy_is_offered_for_numbers_alone() -> None:
    """A model with a column of texts says that it takes no array."""
    number = {"name": "a", "type": "float", "dtype": "float64"}
    text = {"name": "b", "type": "string", "dtype": "str"}

    assert "application/x-npy" in bodies_of([number])
    assert "application/x-npy" not in bodies_of([number, text])


def test_instants_say_whether_they_have_an_offset() -> None:
    """Dates of a column with a time zone have an offset, the others none."""
    columns = [
        {"name": "a", "type": "datetime", "dtype": "datetime64[ns]"},
        {"name": "b", "type": "datetime", "dtype": "datetime64[us, UTC]"},
    ]

    assert [value["format"] for value in row_of(columns).values()] == ["date-time-local", "date-time"]


def written(columns: list[dict[str, Any]]) -> dict[str, Any]:
    schema = {"columns": columns, "output": {"type": "number", "classes": None, "probabilities": False}}
    return document(Package(Path("code"), {"model": "toy", "version": "v1", "load": {"kind": "sklearn"}}, schema, None))


def row_of(columns: list[dict[str, Any]]) -> dict[str, Any]:
    properties: dict[str, Any] = written(columns)["components"]["schemas"]["Row"]["properties"]
    return properties


def bodies_of(columns: list[dict[str, Any]]) -> dict[str, Any]:
    bodies: dict[str, Any] = written(columns)["paths"][Route.PREDICT]["post"]["requestBody"]["content"]
    return bodies
