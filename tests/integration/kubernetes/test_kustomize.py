"""What `kubectl kustomize` makes of an exported tree must be what the same export says plainly, object for object."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.render.kubernetes.bundle import ConfigChange, Export, Manifest, Overlay
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.overlays import Bounds, bounds_patches, scaled_by
from mlsandbox.render.kubernetes.plain import plain_objects
from mlsandbox.render.tree import write_tree
from support import bundles
from support.exported import WHOLE, exported

CASES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "one model": ("one-model", {}),
    "three models": ("three-models", {}),
    "one model, whole": ("one-model", {"whole": True}),
    "three models, whole": ("three-models", {"whole": True, "release": "1.35"}),
    "image volumes": ("two-models", {"whole": True, "release": "1.35", "chosen": (*WHOLE[:-1], "model-oci")}),
}


def kustomized(folder: Path, place: str) -> list[Manifest]:
    """What Kustomize makes of a folder; it must have nothing to complain of."""
    said = subprocess.run(["kubectl", "kustomize", folder / place], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    return list(yaml.safe_load_all(said.stdout))


def assert_same(folder: Path, export: Export) -> None:
    """Every overlay must come to the same both ways, in the same order."""
    for overlay in export.overlays:
        assert kustomized(folder, f"overlays/{overlay.name}") == plain_objects(export, overlay.name)


@pytest.mark.parametrize("case", CASES)
def test_overlays(case: str, tmp_path: Path) -> None:
    """Every overlay of an export, and its base alone, must be the same objects with the same names, digests of ConfigMaps included."""
    project, asked = CASES[case]
    export, facts = exported(project, **asked)
    write_tree(tmp_path, kustomize_files(export, facts))

    assert_same(tmp_path, export)
    alone = replace(export, overlays=(Overlay("base", facts.namespace),))
    assert kustomized(tmp_path, "base") == plain_objects(alone, "base")


def test_each_component_alone(tmp_path: Path) -> None:
    """Every component with no more than it needs must be the same objects both ways."""
    export, facts = exported("two-models", whole=True, release="1.35")
    overlays = tuple(Overlay(f"only-{each.name}", "elsewhere", _with_needed(export, each.name)) for each in export.components)
    only = replace(export, overlays=overlays)
    write_tree(tmp_path, kustomize_files(only, facts))

    assert_same(tmp_path, only)


def test_everything_there_is(tmp_path: Path) -> None:
    """Whatever an export can say must be said alike: texts that no line holds, removals, operations on lists, merged ConfigMaps."""
    write_tree(tmp_path, kustomize_files(bundles.EXPORT, bundles.FACTS))

    assert_same(tmp_path, bundles.EXPORT)


def test_overlay_changed_by_hand(tmp_path: Path) -> None:
    """What an overlay shows in comments must do what it says once it is uncommented: components, variables, bounds."""
    export, facts = exported("one-model", namespace="bank")
    write_tree(tmp_path, kustomize_files(export, facts))
    path = tmp_path / "overlays/production/kustomization.yaml"
    text = path.read_text()
    chosen = ("servicemonitor", "keda", "api-keys", "ingress")
    for name in chosen:
        text = text.replace(f"  # - ../../components/{name}  #", f"  - ../../components/{name}  #")
    text = text.replace("# components:", "components:")
    text = _uncommented(text, "configMapGenerator")
    text = text.replace("SANDBOX_LOG_INPUTS=1", "SANDBOX_LOG_INPUTS=0")
    path.write_text(f"{text}\n{_bounds()}")

    found = kustomized(tmp_path, "overlays/production")

    assert found == _by_hand(export, facts, chosen)


def _with_needed(export: Export, component: str) -> tuple[str, ...]:
    """The component after all that it needs."""
    needs = {each.name: each.after for each in export.components}
    found, more = set[str](), [component]
    while more:
        name = more.pop()
        found.add(name)
        more += needs[name]
    return tuple(each.name for each in export.components if each.name in found)


def _uncommented(text: str, *fields: str) -> str:
    """Without the comment signs of these fields, each of which ends with an empty line or the file."""
    blocks = text.split("\n\n")
    for index, block in enumerate(blocks):
        if any(f"# {field}:" in block for field in fields):
            lines = block.splitlines()
            blocks[index] = "\n".join([lines[0], *(line.removeprefix("# ") for line in lines[1:])])
    return "\n\n".join(blocks)


def _bounds() -> str:
    operations = [
        {"op": "replace", "path": "/spec/minReplicaCount", "value": 3},
        {"op": "replace", "path": "/spec/maxReplicaCount", "value": 20},
    ]
    return yaml.safe_dump({"patches": [{"target": {"kind": "ScaledObject", "name": "churn"}, "patch": yaml.safe_dump(operations)}]})


def _by_hand(export: Export, facts: ExportFacts, chosen: tuple[str, ...]) -> list[Manifest]:
    parts = [each for each in export.components if each.name in chosen]
    patches = bounds_patches(scaled_by(export.base, parts), Bounds(3, 20))
    changes = (ConfigChange("churn-config", {"SANDBOX_LOG_INPUTS": "0"}),)
    overlay = Overlay("own", facts.namespace, tuple(each.name for each in parts), changes, patches)
    return plain_objects(replace(export, overlays=(overlay,)), "own")
