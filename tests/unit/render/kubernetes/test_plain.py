"""The objects of an overlay, made without Kustomize."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from mlsandbox.render.kubernetes.bundle import Bundle, Config, ConfigChange, Export, Manifest, Patch, Removal
from mlsandbox.render.kubernetes.json_patch import patched
from mlsandbox.render.kubernetes.plain import hashed_name, plain_objects, plain_text
from support.bundles import BASE, EXPORT, FACTS, FILE, of_kind, overlay


def found(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """The object of that kind whose name begins so."""
    (only,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name)]
    return only


def with_component(bundle: Bundle) -> Export:
    """The base with one component."""
    return Export(BASE, (bundle,), (overlay("one", bundle.name),), {})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "6ct58987ht"),
        ({"A": "1", "B": 'x<y>&"q" ü $(A)', "C": "", "SP": " lead trail "}, "f8d78mdt59"),
        ({"SP": " lead trail ", "C": "fluentd=fluentd:24224", "B": 'x<y>&"q" ü $(A)', "A": "1"}, "f54kbm2tkf"),
        ({"x.conf": "a\tb\r\n\u2028x ü😀 \n\n"}, "t45494hc5b"),
    ],
)
def test_digest_of_config(data: dict[str, str], expected: str) -> None:
    """A ConfigMap's name must be the one that `kubectl kustomize` 5.6 was seen to give it."""
    assert hashed_name("churn-config", data) == f"churn-config-{expected}"


def test_references_to_configs() -> None:
    """Whatever in a pod refers to a ConfigMap of the export must name it with its digest, and nothing else may be renamed."""
    objects = plain_objects(EXPORT, "full")
    config = found(objects, "ConfigMap", "churn-config-")["metadata"]["name"]
    files = found(objects, "ConfigMap", "churn-files-")["metadata"]["name"]
    pod = found(objects, "Deployment", "churn")["spec"]["template"]["spec"]

    for container in (*pod["containers"], *pod["initContainers"]):
        assert container["envFrom"] == [{"configMapRef": {"name": config}}, {"secretRef": {"name": "churn-config"}}]
        assert container["env"][-1]["valueFrom"]["configMapKeyRef"] == {"name": config, "key": "A"}
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["files"]["configMap"] == {"name": files}
    assert volumes["all"]["projected"]["sources"] == [{"configMap": {"name": files}}, {"secret": {"name": "key"}}]
    assert volumes["foreign"]["configMap"] == {"name": "of-somebody-else"}
    assert volumes["more"]["configMap"]["name"] == found(objects, "ConfigMap", "log-files-")["metadata"]["name"]


def test_config_changes() -> None:
    """A component must win over its overlay, both over the base, and the digest must follow."""
    bare, full, own = (found(plain_objects(EXPORT, name), "ConfigMap", "churn-config-") for name in ("bare", "full", "patched"))

    assert bare["data"] == BASE.configs[0].data
    assert full["data"] == {**BASE.configs[0].data, "A": "log=log:24224", "QUOTED": "'x'", "LINES": "three\n"}
    assert own["data"] == {**full["data"], "TEXT": "other"}
    assert len({each["metadata"]["name"] for each in (bare, full, own)}) == 3


def test_namespace() -> None:
    """Every object must lie in the overlay's namespace, and the Namespace must be that one."""
    objects = plain_objects(EXPORT, "patched")

    assert {each["metadata"].get("namespace", each["metadata"]["name"]) for each in objects} == {"bank-patched"}
    assert [each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"] == ["bank-patched"]


def test_order() -> None:
    """What others need must come first: the namespace, then accounts and configuration, then what runs."""
    kinds = list(dict.fromkeys(each["kind"] for each in plain_objects(EXPORT, "full")))

    assert kinds == ["Namespace", "ServiceAccount", "ConfigMap", "Deployment", "ScaledObject", "NetworkPolicy"]


def test_removal() -> None:
    """An object that a component takes away must be gone where the component is, and only there."""
    assert "HorizontalPodAutoscaler" not in {each["kind"] for each in plain_objects(EXPORT, "full")}
    assert found(plain_objects(EXPORT, "patched"), "HorizontalPodAutoscaler", "churn")["spec"]["minReplicas"] == 1


def test_bundles_are_left_alone() -> None:
    """Making one overlay must change nothing that another one is made from."""
    first = plain_objects(EXPORT, "full")
    plain_objects(EXPORT, "patched")

    assert plain_objects(EXPORT, "full") == first
    assert EXPORT.base.objects[0]["metadata"]["name"] == "bank"


@pytest.mark.parametrize(
    "wrong",
    [
        Bundle("wrong", "", patches=(Patch("Deployment", "nobody", ()),)),
        Bundle("wrong", "", removals=(Removal("Deployment", "nobody"),)),
        Bundle("wrong", "", changes=(ConfigChange("nobody", {}),)),
    ],
)
def test_target_missing(wrong: Bundle) -> None:
    """What changes an object that is not there must be refused: Kustomize may well say nothing."""
    with pytest.raises(KeyError, match="nobody"):
        plain_objects(with_component(wrong), "one")


@pytest.mark.parametrize(
    "wrong",
    [Bundle("wrong", "", objects=(of_kind("ServiceAccount", "churn"),)), Bundle("wrong", "", configs=(Config("churn-config", {}),))],
)
def test_second_object(wrong: Bundle) -> None:
    """Two objects of one name must be refused."""
    with pytest.raises(ValueError, match="second"):
        plain_objects(with_component(wrong), "one")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/list/-", "value": 3}, {"list": [1, 2, 3], "a/b": {"c~d": 0}}),
        ({"op": "add", "path": "/list/0", "value": 0}, {"list": [0, 1, 2], "a/b": {"c~d": 0}}),
        ({"op": "add", "path": "/list/2", "value": 3}, {"list": [1, 2, 3], "a/b": {"c~d": 0}}),
        ({"op": "replace", "path": "/list/1", "value": 0}, {"list": [1, 0], "a/b": {"c~d": 0}}),
        ({"op": "remove", "path": "/list/0"}, {"list": [2], "a/b": {"c~d": 0}}),
        ({"op": "add", "path": "/a~1b/c~0d", "value": [1]}, {"list": [1, 2], "a/b": {"c~d": [1]}}),
        ({"op": "add", "path": "/new", "value": None}, {"list": [1, 2], "a/b": {"c~d": 0}, "new": None}),
        ({"op": "remove", "path": "/a~1b/c~0d"}, {"list": [1, 2], "a/b": {}}),
    ],
)
def test_operation(operation: dict[str, Any], expected: Any) -> None:
    """An operation must do what RFC 6902 says, and leave what it was given as it is."""
    document = {"list": [1, 2], "a/b": {"c~d": 0}}

    assert patched(document, [operation]) == expected
    assert document == {"list": [1, 2], "a/b": {"c~d": 0}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/new", "value": 1},
        {"op": "remove", "path": "/new"},
        {"op": "add", "path": "/new/child", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "replace", "path": "/list/2", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "add", "path": "list", "value": 1},
    ],
)
def test_operation_without_place(operation: dict[str, Any]) -> None:
    """A path that leads nowhere must be refused."""
    with pytest.raises(KeyError):
        patched({"list": [1, 2]}, [operation])


def test_other_operations() -> None:
    """What exports do not use must not pass for something else."""
    with pytest.raises(ValueError, match="move"):
        patched({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}])


def test_text() -> None:
    """The list must be one stream of YAML that says how it was made, with files as they lie wherever YAML lets them."""
    text = plain_text(EXPORT, "full", replace(FACTS, command="sandbox export k8s --format plain"))

    assert text.startswith("# Written by mlsandbox ")
    assert "sandbox export k8s --format plain" in text.splitlines()[0]
    assert list(yaml.safe_load_all(text)) == plain_objects(EXPORT, "full")
    assert FILE not in text
    assert "LINES: |\n    three\n" in text
