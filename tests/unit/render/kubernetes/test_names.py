"""Names of exported objects: RFC 1123 labels, no two alike, stable."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mlsandbox.render.kubernetes.names import image_version, models, object_names, port_name, selector
from mlsandbox.stack.build import ModelInputs, StackInputs, build_stack, port_names
from mlsandbox.stack.parts import DRIFT, ELASTICSEARCH, FLUENTD, MODEL, PROMETHEUS, SHIPPER
from mlsandbox.stack.spec import PortSpec, StackSpec
from mlsandbox_serving.contract import Env

PARTS = frozenset({MODEL, SHIPPER, DRIFT, FLUENTD, ELASTICSEARCH, PROMETHEUS})
LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
MANY = ("drift", "churn", "a-", "a--", "a", "a-model", "default", "default-deny", "fluentd", "prometheus", "x" * 41, "x" * 40 + "-")


def stack(*names: str) -> StackSpec:
    given = tuple(ModelInputs(name, "v1", f"{name}:v1", Path(), "", "") for name in names)
    numbers = {name: 7000 + index for index, name in enumerate(port_names(list(names), PARTS))}
    return build_stack(StackInputs("bank", "127.0.0.1", given, numbers, PARTS))


def by_model(*names: str) -> dict[str, str]:
    spec = stack(*names)
    found = object_names(spec)
    return {str(each.env[Env.MODEL]): found[each.name] for each in models(spec)}


def test_names_must_be_labels_of_their_own() -> None:
    """Every name is a DNS label, and no two objects of a kind have the same."""
    found = object_names(stack(*MANY))

    assert all(LABEL.fullmatch(name) and len(name) <= 63 for name in found.values()), found
    assert len(set(found.values())) == len(found)


def test_a_model_must_keep_its_name() -> None:
    """A model is called as it is, whatever others there are; only where that cannot be is its name another one."""
    found = by_model(*MANY)

    assert {name: found[name] for name in ("churn", "a", "a-model")} == {"churn": "churn", "a": "a", "a-model": "a-model"}
    assert found["drift"] == "drift-model"
    assert found["default"] == "default-model"  # or its service account would be that of all pods
    assert found["a-"] == "a-model-model"


@pytest.mark.parametrize(
    ("port", "expected"), [("api", "http"), ("api-churn", "http"), ("shipper-" + "x" * 41, "shipper"), ("drift-forward", "drift-forward")]
)
def test_ports_must_have_short_names(port: str, expected: str) -> None:
    """A port's name is at most 15 characters, whatever its model is called, and a text as YAML takes it."""
    found = port_name(PortSpec(port, 1))

    assert (found, type(found)) == (expected, str)


@pytest.mark.parametrize(
    ("image", "known", "expected"),
    [
        ("registry:5000/team/churn:v3@sha256:" + "0" * 64, "", "v3"),
        ("registry:5000/team/churn@sha256:" + "0123456789abcdef" * 4, "", "0123456789ab"),
        ("registry:5000/team/churn:latest", "v3", "v3"),
        ("churn:" + "a" * 62 + "-b", "", "a" * 62),
        ("registry:5000/team/churn", "", ""),
    ],
)
def test_versions_must_be_values_of_labels(image: str, known: str, expected: str) -> None:
    """The version is what is known, else the tag, else the digest's beginning; cut to what a label takes."""
    assert image_version(image, known) == expected


def test_selectors_must_not_follow_the_version() -> None:
    """What pods are found by is the same for every version, for it cannot be changed."""
    assert set(selector("churn", "server")) == {f"app.kubernetes.io/{each}" for each in ("name", "instance", "component")}


def test_names_must_not_depend_on_what_else_runs() -> None:
    """The names of two models are those that each of them has alone."""
    spec = stack("churn", "fraud")
    alone = replace(spec, services=tuple(each for each in spec.services if each.env.get(Env.MODEL) != "churn"))

    assert object_names(alone)[models(alone)[0].name] == by_model("churn", "fraud")["fraud"] == "fraud"
