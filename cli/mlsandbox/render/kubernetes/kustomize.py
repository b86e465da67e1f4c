"""An export as a Kustomize tree (pure): base/, components/ and overlays/."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, Export, Manifest
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.kustomize_entries import change_entry, config_entry, patch_entry, removal_entry
from mlsandbox.render.kubernetes.kustomize_overlay import overlay_files
from mlsandbox.render.kubernetes.manifest import KINDS, WORKLOADS
from mlsandbox.render.kubernetes.manifest_text import comment, header, manifest_text
from mlsandbox.render.kubernetes.plain import config_labels
from mlsandbox.render.kubernetes.readme import readme_file
from mlsandbox.render.tree import RenderedFile

BASE: Final = "base"
COMPONENTS: Final = "components"
OVERLAYS: Final = "overlays"
FILE: Final = "kustomization.yaml"


def kustomize_files(export: Export, facts: ExportFacts) -> tuple[RenderedFile, ...]:
    """All files.

    Raises:
        ValueError: two files with one path.
    """
    labels = config_labels(export)
    files = [readme_file(export, facts)]
    files += _within(BASE, _bundle_files(export.base, facts, labels, base=True))
    for bundle in export.components:
        files += _within(f"{COMPONENTS}/{bundle.name}", _bundle_files(bundle, facts, labels, base=False))
    for overlay in export.overlays:
        files += _within(f"{OVERLAYS}/{overlay.name}", overlay_files(export, overlay, facts))
    twice = [path for path, count in Counter(file.path for file in files).items() if count > 1]
    if twice:
        raise ValueError(f"two files have the path {twice[0]}")
    return tuple(files)


def _within(folder: str, files: Iterable[RenderedFile]) -> list[RenderedFile]:
    return [RenderedFile(f"{folder}/{file.path}", file.content, file.mode) for file in files]


def _bundle_files(bundle: Bundle, facts: ExportFacts, labels: dict[str, str], *, base: bool) -> Iterable[RenderedFile]:
    head = header()
    folders = _folders(bundle.objects) if base else ()
    paths = _object_paths(bundle.objects, folders)
    generated, sources = [], []
    for config in bundle.configs:
        folder = next((each for each in folders if config.name.startswith(f"{each}-")), "")
        entry, files = config_entry(config, folder, facts.namespace, head)
        generated.append(entry)
        sources += files
    for change in bundle.changes:
        entry, files = change_entry(change, facts.namespace)
        generated.append(entry)
        sources += files
    patches = [*(removal_entry(each, facts.namespace) for each in bundle.removals), *map(patch_entry, bundle.patches)]
    document: dict[str, Any] = {
        "apiVersion": f"kustomize.config.k8s.io/{'v1beta1' if base else 'v1alpha1'}",
        "kind": "Kustomization" if base else "Component",
        "resources": paths,
        "generatorOptions": {"labels": labels} if bundle.configs else {},
        "configMapGenerator": generated,
        "patches": patches,
    }
    yield RenderedFile(FILE, head + _about(bundle) + manifest_text({name: value for name, value in document.items() if value}))
    for path, manifest in zip(paths, bundle.objects, strict=True):
        yield RenderedFile(path, head + manifest_text(manifest))
    yield from sources
    yield from _within("examples", bundle.examples)


def _about(bundle: Bundle) -> str:
    needs = f"Needs these components, listed before it: {', '.join(bundle.after)}." if bundle.after else ""
    return comment("", *filter(None, (bundle.summary, needs)))


def _folders(objects: Sequence[Manifest]) -> tuple[str, ...]:
    """Names of what runs, each of which has a folder of its own; longer ones first, for they may begin alike."""
    return tuple(sorted({each["metadata"]["name"] for each in objects if each["kind"] in WORKLOADS}, key=lambda name: (-len(name), name)))


def _object_paths(objects: Sequence[Manifest], folders: Sequence[str]) -> list[str]:
    """Where each object lies: named after its kind, and after itself where there are several of its kind."""
    # The namespace belongs to nothing that runs in it, although it may have the same name.
    within = [each["metadata"]["name"] in folders and KINDS[each["kind"]].namespaced for each in objects]
    loose = Counter(each["kind"] for each, inside in zip(objects, within, strict=True) if not inside)
    paths = []
    for each, inside in zip(objects, within, strict=True):
        name, kind = each["metadata"]["name"], each["kind"].lower()
        paths.append(f"{name}/{kind}.yaml" if inside else f"{kind}.yaml" if loose[each["kind"]] == 1 else f"{name}-{kind}.yaml")
    return paths
