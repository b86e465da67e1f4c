"""Exported manifests must satisfy the schemas of Kubernetes, checkov, and what other judges object to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.plain import plain_text
from mlsandbox.render.tree import write_tree
from support.exported import exported
from support.kubernetes_rules import LIGHT, RULES
from support.manifest_judges import checkov, judges_python, strict
from support.manifests import Manifest
from support.monitoring import program

CASES = [(case, whole) for case in ("one-model", "three-models") for whole in (False, True)]
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
    documents = [_anywhere(each) for objects in rendered.values() for each in objects]
    distinct = list({json.dumps(each, sort_keys=True): each for each in documents}.values())

    said = strict(python, distinct)

    assert said.faults == ()
    assert said.versions[0] == "1.29"
    assert len(said.versions) >= 9
    assert said.checked > 100


def test_checkov(python: Path, rendered: dict[str, list[Manifest]], tmp_path: Path) -> None:
    """No check of checkov may fail, and what is skipped is the digest of the official image of a store for development."""
    for name, objects in rendered.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))

    said = checkov(python, tmp_path)

    assert said.failed == ()
    assert {(each.split()[0], each.split(".")[-1]) for each in said.skipped} == {("CKV_K8S_43", "elasticsearch")}
    assert said.passed > 1_000


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rules(rule: object, rendered: dict[str, list[Manifest]]) -> None:
    """What kube-score, kube-linter and Polaris object to must not be there."""
    assert callable(rule)
    broken = {
        name: found
        for name, objects in rendered.items()
        if not (rule in LIGHT and name.endswith("-dev")) and (found := list(rule(objects)))
    }

    assert broken == {}
