"""Exported manifests must satisfy the schemas of Kubernetes, checkov, and what other judges object to."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.actions.export_stack import NEWEST
from mlsandbox.actions.prove_objects import component_alone
from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.facts import OLDEST, ExportFacts
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.plain import plain_text
from mlsandbox.render.tree import write_tree
from mlsandbox_serving.contract import DriftEngine, Env
from support.exported import exported
from support.kubernetes_rules import LIGHT, RULES, Rule
from support.manifest_judges import checkov, judges_python, strict
from support.manifests import Manifest
from support.monitoring import program

CASES = [(case, whole) for case in ("one-model", "three-models") for whole in (False, True)]
LATER = ("one-model-with-model-oci", "two-models-image-volumes")
"""What is only for a Kubernetes that has image volumes."""
PINNED = re.compile(r"@sha256:[0-9a-f]{64}$")
OVERLAYS = ("dev", "staging", "production")


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the judges."""
    return judges_python()


@pytest.fixture(scope="module")
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Every overlay of every case, by Kustomize and plain: objects by "case-whole-way-overlay"."""
    kubectl = program(request, "kubectl")
    found = {}
    for case, whole in CASES:
        export, facts = exported(case, whole=whole)
        folder = tmp_path_factory.mktemp(f"{case}-{whole}")
        for overlay in OVERLAYS:
            name = f"{case}-{'whole' if whole else 'bare'}"
            found[f"{name}-plain-{overlay}"] = _documents(plain_text(export, overlay, facts))
            found[f"{name}-kustomize-{overlay}"] = _kustomized(kubectl, folder, export, facts, overlay)
    return found | _further()


def _further() -> dict[str, list[Manifest]]:
    """Each component with no others than it needs, a package as an image volume, and pods without a limit of processor time."""
    found = {}
    images, facts = exported("one-model", whole=True, release="1.35")
    for component in images.components:
        alone = component_alone(images, component.name)
        found[f"one-model-{alone.name}"] = _documents(plain_text(replace(images, overlays=(alone,)), alone.name, facts))
    for name, changes in (("image-volumes", {"release": "1.35", "chosen": ("model-oci",)}), ("unlimited", {"cpu_limits": False})):
        more: dict[str, Any] = {"chosen": (), **changes}
        export, facts = exported("two-models", whole=True, **more)
        found[f"two-models-{name}"] = _documents(plain_text(export, "production", facts))
    return found


def _kustomized(kubectl: Path, folder: Path, export: Export, facts: ExportFacts, overlay: str) -> list[Manifest]:
    write_tree(folder, kustomize_files(export, facts))
    said = subprocess.run([kubectl, "kustomize", folder / "overlays" / overlay], capture_output=True, text=True, check=True)
    assert "deprecated" not in said.stderr.lower(), said.stderr
    return _documents(said.stdout)


def _documents(text: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(text) if each]


def _anywhere(each: Manifest) -> Manifest:
    """The object as it would be in every namespace: overlays differ in little else, and schemas do not look at it."""
    metadata = {**each["metadata"], **({"namespace": "any"} if "namespace" in each["metadata"] else {})}
    return {**each, "metadata": metadata}


def test_schemas(python: Path, rendered: dict[str, list[Manifest]]) -> None:
    """Every object must be valid, without an unknown field, for Kubernetes 1.29 and every later version that there is a schema of."""
    documents = [_anywhere(each) for name, objects in rendered.items() if name not in LATER for each in objects]
    distinct = list({json.dumps(each, sort_keys=True): each for each in documents}.values())

    said = strict(python, distinct)
    later = strict(python, [each for name in LATER for each in rendered[name]], oldest="1.35")

    assert said.faults == later.faults == ()
    assert (said.versions[0], said.versions[-1]) == tuple(".".join(map(str, each)) for each in (OLDEST, NEWEST))
    assert said.checked > 100


def test_checkov(python: Path, rendered: dict[str, list[Manifest]], tmp_path: Path) -> None:
    """No check of checkov may fail, and what is skipped must be what was asked for by name: no limit of processor
    time; and the digest of the official image of a store for development.
    """
    for name, objects in rendered.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))

    said = checkov(python, tmp_path)

    assert said.failed == ()
    skipped = {(check, name.rpartition(".")[2]) for check, file, name in map(str.split, said.skipped) if "unlimited" not in file}
    assert skipped == {("CKV_K8S_43", "elasticsearch")}
    assert {check for check, file, _ in map(str.split, said.skipped) if "unlimited" in file} == {"CKV_K8S_11"}
    assert said.passed > 1_000


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rules(rule: Rule, rendered: dict[str, list[Manifest]]) -> None:
    """What kube-score, kube-linter and Polaris object to must not be there."""
    broken = {
        name: found
        for name, objects in rendered.items()
        if not (rule in LIGHT and name.endswith("-dev")) and (found := list(rule(objects)))
    }

    assert broken == {}


@pytest.mark.parametrize("name", ["image", "reference"])
def test_production_holds_nothing_unasked(rendered: dict[str, list[Manifest]], name: str) -> None:
    """No secret's value, no second drift engine, no development store, and no image without its digest may come unasked."""
    production = {each: objects for each, objects in rendered.items() if each.endswith("production")}
    bare = [each for key, objects in production.items() if "-bare-" in key for each in objects]

    assert [each["kind"] for objects in production.values() for each in objects if each["kind"] == "Secret"] == []
    engines = [value for objects in production.values() for value in _values(objects, Env.DRIFT_ENGINES)]
    assert set(engines) == {DriftEngine.NATIVE}
    assert "elasticsearch" not in json.dumps(bare)
    named = [value for objects in production.values() for value in _values(objects, name) if isinstance(value, str)]
    unpinned = [image for image in named if PINNED.search(image) is None and not image.startswith("elasticsearch:")]
    assert unpinned == []
    assert (name == "reference") or len(named) > 20


def _values(node: object, name: str) -> Iterator[object]:
    """Every value of that name, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            yield from _values(value, name)
    elif isinstance(node, list):
        for each in node:
            yield from _values(each, name)
