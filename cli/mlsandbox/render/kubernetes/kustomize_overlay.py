"""The kustomization.yaml of an overlay (pure): it is its user's from then on, so it shows in comments what can be said there."""

from __future__ import annotations

from typing import Final

from mlsandbox.render.kubernetes.bundle import ConfigChange, Export, Overlay
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.kustomize_entries import change_entry, patch_entry
from mlsandbox.render.kubernetes.manifest_text import comment, manifest_text, own_version
from mlsandbox.render.kubernetes.overlays import BOUND_PATHS, Bounds, bounds_patches, scaled_by
from mlsandbox.render.tree import RenderedFile
from mlsandbox_serving.contract import Env

_EXAMPLE: Final = Env.LOG_INPUTS
_SHOWN: Final = Bounds(3, 20)
_OTHER_IMAGE: Final = "Another image: export again with it (--image), since versions in labels and the jobs that read an image follow it."
"""Kustomize's `images` goes by the repository alone, which a model shares with its challenger."""


def overlay_files(export: Export, overlay: Overlay, facts: ExportFacts) -> list[RenderedFile]:
    """It, and the files that its ConfigMaps are made from."""
    head = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": overlay.namespace,
        "resources": ["../../base"],
    }
    changes = [change_entry(each, facts.namespace) for each in overlay.changes]
    generated = "\n" + manifest_text({"configMapGenerator": [entry for entry, _ in changes]}) if changes else ""
    parts = (
        comment(f"Written by mlsandbox {own_version()}, and yours once you have changed it: later exports leave it as it is then."),
        "\n",
        manifest_text(head),
        _components(export, overlay),
        generated or _variables(export, facts),
        _patches(export, overlay),
        "\n" + comment(_OTHER_IMAGE),
    )
    return [RenderedFile("kustomization.yaml", "".join(parts)), *(file for _, files in changes for file in files)]


def _components(export: Export, overlay: Overlay) -> str:
    lines = []
    for each in export.components:
        entry = f"  - ../../components/{each.name}"
        needs = f" Needs {', '.join(each.after)}." if each.after else ""
        lines.append(f"{entry}\n" if each.name in overlay.components else f"  # {entry.strip()}  # {each.summary}{needs}\n")
    missing = comment(f"Not in components/ yet: {', '.join(export.missing)}. README.md says what they need.") if export.missing else ""
    opening = "components:  # applied in this order\n" if overlay.components else "# components:\n"
    return "\n" + opening + "".join(lines) + missing if lines else missing


def _patches(export: Export, overlay: Overlay) -> str:
    written = manifest_text({"patches": [patch_entry(each) for each in overlay.patches]}) if overlay.patches else ""
    scaled = scaled_by(export.base, (each for each in export.components if each.name in overlay.components))
    bounded = {(each.kind, each.name) for each in overlay.patches}
    free = bounds_patches((each for each in scaled if (each["kind"], each["metadata"]["name"]) not in bounded), _SHOWN)
    text = "\n" + written if written else ""
    if free:
        shown = manifest_text({"patches": [patch_entry(each) for each in free]}).splitlines()
        text += "\n" + comment("Other bounds for the number of pods:", *shown)
    others = [kind for kind in BOUND_PATHS if kind not in {each["kind"] for each in scaled}]
    if others and any(each["kind"] in others for bundle in export.components for each in bundle.objects):
        paths = " and ".join(path for kind in others for path in BOUND_PATHS[kind])
        text += comment(f"With the component that brings {others[0]} the target's kind is {others[0]}, and the paths are {paths}.")
    return text


def _variables(export: Export, facts: ExportFacts) -> str:
    config = next((each for each in export.base.configs if not each.files and each.data), None)
    if config is None:
        return ""
    name = _EXAMPLE if _EXAMPLE in config.data else next(iter(config.data))
    change = ConfigChange(config.name, {name: config.data[name]})
    example = manifest_text({"configMapGenerator": [change_entry(change, facts.namespace)[0]]})
    return "\n" + comment("Other values of variables than the base has; what a component sets is the component's:", *example.splitlines())
