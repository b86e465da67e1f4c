"""The Kustomize tree; that Kustomize reads it as it is meant is shown in tests/integration/kubernetes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from mlsandbox.render.kubernetes.bundle import Bundle, Export
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from support.bundles import BASE, EXPORT, FACTS, FILE, of_kind
from support.exported import exported

FILES = {file.path: file.text for file in kustomize_files(EXPORT, FACTS)}
FIELDS = {"apiVersion", "kind", "namespace", "resources", "components", "generatorOptions", "configMapGenerator", "patches"}


def kustomization(folder: str, files: dict[str, str] = FILES) -> dict[str, Any]:
    """What it says."""
    found: dict[str, Any] = yaml.safe_load(files[f"{folder}/kustomization.yaml"])
    return found


def test_paths() -> None:
    """Each object must have a file of its own, beside what else belongs to it."""
    assert set(FILES) == {
        "README.md",
        "base/kustomization.yaml",
        "base/namespace.yaml",
        "base/networkpolicy.yaml",
        "base/churn/serviceaccount.yaml",
        "base/churn/deployment.yaml",
        "base/churn/horizontalpodautoscaler.yaml",
        "base/churn/config.env",
        "base/churn/config/LINES",
        "base/churn/files/x.conf",
        "base/churn/files/y.json",
        "components/scaled/kustomization.yaml",
        "components/scaled/scaledobject.yaml",
        "components/logged/kustomization.yaml",
        "components/logged/deployment.yaml",
        "components/logged/log-config.env",
        "components/logged/log-files/x.conf",
        "components/logged/log-files/sub.conf",
        "components/logged/churn-config/LINES",
        "components/logged/churn-config/QUOTED",
        "components/logged/examples/volume.yaml",
        "components/after/kustomization.yaml",
        *(f"overlays/{name}/kustomization.yaml" for name in ("bare", "patched", "full")),
    }


def test_several_of_a_kind() -> None:
    """Files of several objects of one kind must be told apart by the objects' names."""
    bundle = Bundle("two", "", objects=(of_kind("ServiceAccount", "one"), of_kind("ServiceAccount", "two"), of_kind("Service", "two")))

    files = kustomize_files(replace(EXPORT, components=(bundle,), overlays=EXPORT.overlays[:1]), FACTS)

    assert [file.path for file in files if file.path.startswith("components/")] == [
        f"components/two/{name}.yaml" for name in ("kustomization", "one-serviceaccount", "two-serviceaccount", "service")
    ]


def test_a_model_of_the_namespace_s_name() -> None:
    """The namespace and what it denies must lie in the base itself, also when a model, and so its folder, has the same name."""
    for case, model in (("one-model", "churn"), ("two-models", "fraud")):
        export, facts = exported(case, namespace=model)
        files = {file.path: file.text for file in kustomize_files(export, facts)}

        assert yaml.safe_load(files["base/namespace.yaml"])["metadata"]["name"] == model
        assert yaml.safe_load(files["base/networkpolicy.yaml"])["metadata"]["name"] == "default-deny"
        assert f"base/{model}/namespace.yaml" not in files
        assert f"base/{model}/deployment.yaml" in files


def test_first_line() -> None:
    """Every file that can have a comment must begin by saying who wrote it; files of a service must be as the service reads them."""
    for path, text in FILES.items():
        if path.startswith(("base/churn/files/", "base/churn/config/", "components/logged/log-files/", "components/logged/churn-config/")):
            assert "mlsandbox" not in text
        elif "examples" not in path:
            assert "Written by mlsandbox" in text.splitlines()[0], path
    assert FILES["base/churn/files/x.conf"] == FILE
    assert FACTS.command in FILES["README.md"].splitlines()[0]


def test_fields() -> None:
    """Only fields of the present versions of Kustomize may be used."""
    for path, text in FILES.items():
        if path.endswith("kustomization.yaml"):
            assert set(yaml.safe_load(text)) <= FIELDS, path
    assert kustomization("base")["kind"] == "Kustomization"
    assert kustomization("components/logged")["kind"] == "Component"


def test_resources() -> None:
    """What is applied must be listed, and examples must not."""
    assert kustomization("base")["resources"] == [
        "namespace.yaml",
        "networkpolicy.yaml",
        "churn/serviceaccount.yaml",
        "churn/deployment.yaml",
        "churn/horizontalpodautoscaler.yaml",
    ]
    assert kustomization("components/logged")["resources"] == ["deployment.yaml"]
    assert "resources" not in kustomization("components/after")


def test_configs() -> None:
    """Variables must be lines of a file, whatever does not fit into a line a file, in the namespace of the objects that refer to them."""
    assert kustomization("base")["configMapGenerator"] == [
        {"name": "churn-config", "namespace": "bank", "envs": ["churn/config.env"], "files": ["LINES=churn/config/LINES"]},
        {"name": "churn-files", "namespace": "bank", "files": ["x.conf=churn/files/x.conf", "y.json=churn/files/y.json"]},
    ]
    assert [line for line in FILES["base/churn/config.env"].splitlines() if not line.startswith("#")] == [
        "A=1",
        "EMPTY=",
        'TEXT= "quoted" # $(A) <ü> ',
    ]


def test_changes() -> None:
    """Changes to a ConfigMap must be merged into it; quotes, which Kustomize takes off literals, must stay."""
    assert kustomization("components/logged")["configMapGenerator"][-1] == {
        "name": "churn-config",
        "namespace": "bank",
        "behavior": "merge",
        "literals": ["A=log=log:24224"],
        "files": ["QUOTED=churn-config/QUOTED", "LINES=churn-config/LINES"],
    }


def test_patches() -> None:
    """Operations must name their target, removals the whole object."""
    (patch,) = kustomization("components/logged")["patches"]
    assert patch["target"] == {"kind": "Deployment", "name": "churn"}
    assert yaml.safe_load(patch["patch"]) == list(EXPORT.components[1].patches[0].operations)
    (removal,) = kustomization("components/scaled")["patches"]
    assert yaml.safe_load(removal["patch"]) == {
        "$patch": "delete",
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "churn", "namespace": "bank"},
    }


def test_overlay() -> None:
    """An overlay must have its components in their order, and show the others, with what they need, in comments."""
    full, bare = FILES["overlays/full/kustomization.yaml"], FILES["overlays/bare/kustomization.yaml"]

    assert kustomization("overlays/full")["components"] == [f"../../components/{name}" for name in ("scaled", "logged", "after")]
    assert "components" not in kustomization("overlays/bare")
    assert "\n  # - ../../components/after  # Needs logs. Needs logged.\n" in bare
    assert "# Not in components/ yet: gone." in full


def test_uncommented_overlay() -> None:
    """What an overlay shows in comments must be right once the comment signs are taken off."""
    text = FILES["overlays/bare/kustomization.yaml"]
    shown = {name: yaml.safe_load(re.sub(r"(?m)^( *)# ", r"\1", _block(text, name))) for name in ("components", "patches")}

    assert shown["components"] == {"components": [f"../../components/{name}" for name in ("scaled", "logged", "after")]}
    (patch,) = shown["patches"]["patches"]
    assert patch["target"] == {"kind": "HorizontalPodAutoscaler", "name": "churn"}
    assert [each["path"] for each in yaml.safe_load(patch["patch"])] == ["/spec/minReplicas", "/spec/maxReplicas"]


def _block(text: str, name: str) -> str:
    """The lines that begin with this comment, up to one that is no part of it."""
    start = text.index(f"# {name}:\n")
    lines = text[start:].splitlines()
    end = next((index for index, line in enumerate(lines[1:], 1) if not re.match(r" +# |#  ", line)), len(lines))
    return "\n".join(lines[:end])


def test_same_twice() -> None:
    """The same export must be the same bytes, and two files must never have one path."""
    assert kustomize_files(EXPORT, FACTS) == kustomize_files(EXPORT, FACTS)
    twice = Bundle("base", "", objects=(*BASE.objects, BASE.objects[2]))
    with pytest.raises(ValueError, match="serviceaccount"):
        kustomize_files(Export(twice, (), EXPORT.overlays[:1], {}), FACTS)
