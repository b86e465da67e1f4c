"""What an overlay comes to, without Kustomize (pure): the same objects as `kubectl kustomize` makes of the tree, in the same order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, ConfigChange, Export, Manifest, Overlay, Patch
from mlsandbox.render.kubernetes.facts import OUTSIDE, ExportFacts
from mlsandbox.render.kubernetes.json_patch import copied, patched
from mlsandbox.render.kubernetes.manifest import KINDS, WORKLOADS
from mlsandbox.render.kubernetes.manifest_text import comment, stream_text, written_by
from mlsandbox.render.kubernetes.names import MANAGER

_ORDER: Final = (
    "Namespace",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
    "Service",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "PodDisruptionBudget",
)
"""Kustomize's: these first, then the others by their names."""
_LABELS: Final = ("app.kubernetes.io/part-of", "app.kubernetes.io/managed-by")
_DIGITS: Final = str.maketrans("013ae", "ghkmt")
"""What Kustomize writes instead of digits that could spell a word."""
_HTML: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What Go's encoding/json escapes, besides what JSON demands."""


def plain_objects(export: Export, overlay: str) -> list[Manifest]:
    """All objects of an overlay.

    Raises:
        KeyError: an overlay, a component, or an object or ConfigMap to be changed, that there is not.
        ValueError: two objects with one name.
    """
    chosen = overlay_of(export, overlay)
    found = _Objects(config_labels(export))
    found.add(export.base)
    found.configure(chosen.changes)  # before the components, as Kustomize has it
    for name in chosen.components:
        found.add(component_of(export, name))
    found.patch(chosen.patches)
    return found.in_namespace(chosen.namespace)


def plain_text(export: Export, overlay: str, facts: ExportFacts) -> str:
    """All objects of an overlay, in one file for `kubectl apply --filename`."""
    about = f"All of the overlay {overlay}; the next export writes it anew."
    where = (f"Called in the project's folder, with {OUTSIDE} the one that this lies in.",) if facts.is_outside else ()
    head = comment(written_by(plain_command(facts, overlay)), about, *where)
    return head + stream_text(plain_objects(export, overlay))


def plain_command(facts: ExportFacts, overlay: str) -> str:
    """What writes that file again."""
    return f"{facts.command} --format plain --overlay {overlay}"


def overlay_of(export: Export, name: str) -> Overlay:
    """The overlay of that name; KeyError when there is none."""
    return {each.name: each for each in export.overlays}[name]


def component_of(export: Export, name: str) -> Bundle:
    """The component of that name; KeyError when there is none."""
    return {each.name: each for each in export.components}[name]


def config_labels(export: Export) -> dict[str, str]:
    """The labels of ConfigMaps, which are those of no service alone."""
    labels = {name: value for each in export.base.objects for name, value in each["metadata"].get("labels", {}).items()}
    return {_LABELS[0]: labels.get(_LABELS[0], MANAGER), _LABELS[1]: MANAGER}


def hashed_name(name: str, data: Mapping[str, str]) -> str:
    """The name of a ConfigMap with Kustomize's digest of it (kustomize, api/hasher): of what is in it, whatever its name is."""
    encoded = json.dumps(
        {"data": dict(data) or "", "kind": "ConfigMap", "name": ""}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    for character, escaped in _HTML.items():
        encoded = encoded.replace(character, escaped)
    return f"{name}-{hashlib.sha256(encoded.encode()).hexdigest()[:10].translate(_DIGITS)}"


class _Objects:
    """The objects so far; ConfigMaps with a digest are made at the end, when all that changes them was said."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._objects: dict[tuple[str, str], Manifest] = {}
        self._configs: dict[str, dict[str, str]] = {}

    def add(self, bundle: Bundle) -> None:
        """What the bundle has, and what it changes."""
        for each in bundle.objects:
            key = (each["kind"], each["metadata"]["name"])
            if key in self._objects:
                raise ValueError(f"{bundle.name} has a second {key[0]} {key[1]}")
            self._objects[key] = each
        for config in bundle.configs:
            if config.name in self._configs:
                raise ValueError(f"{bundle.name} has a second ConfigMap {config.name}")
            self._configs[config.name] = dict(config.data)
        for removal in bundle.removals:
            del self._objects[removal.kind, removal.name]
        self.configure(bundle.changes)
        self.patch(bundle.patches)

    def configure(self, changes: Iterable[ConfigChange]) -> None:
        """Further keys of ConfigMaps, or other values."""
        for change in changes:
            self._configs[change.name].update(change.data)

    def patch(self, patches: Iterable[Patch]) -> None:
        """Changes to objects."""
        for patch in patches:
            key = (patch.kind, patch.name)
            self._objects[key] = patched(self._objects[key], patch.operations)

    def in_namespace(self, namespace: str) -> list[Manifest]:
        """All of them, with their last names."""
        names = {name: hashed_name(name, data) for name, data in self._configs.items()}
        made = [self._config(names[name], data) for name, data in self._configs.items()]
        found = [_moved(each, namespace) for each in (*self._objects.values(), *made)]
        for each in found:
            _rename_configs(each, names)
        return sorted(found, key=_position)

    def _config(self, name: str, data: Mapping[str, str]) -> Manifest:
        return {
            "apiVersion": KINDS["ConfigMap"].version,
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "", "labels": dict(self._labels)},
            **({"data": dict(data)} if data else {}),
        }


def _moved(manifest: Manifest, namespace: str) -> Manifest:
    """The object in another namespace; the Namespace itself has that name."""
    moved: Manifest = copied(manifest)
    if moved["kind"] == "Namespace":
        moved["metadata"]["name"] = namespace
    elif KINDS[moved["kind"]].namespaced:
        moved["metadata"]["namespace"] = namespace
    return moved


def _rename_configs(manifest: Manifest, names: Mapping[str, str]) -> None:
    """ConfigMaps that the object's pods refer to, by their last names."""
    for reference in _config_references(pod_spec(manifest)):
        reference["name"] = names.get(reference["name"], reference["name"])


def pod_spec(manifest: Manifest) -> Mapping[str, Any]:
    """What an object says of its pods; nothing of one that has none."""
    spec: Mapping[str, Any] = manifest.get("spec", {})
    pod: Mapping[str, Any] = spec if manifest["kind"] == "Pod" else spec["template"]["spec"] if manifest["kind"] in WORKLOADS else {}
    return pod


def _config_references(pod: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        yield from (each["configMapRef"] for each in container.get("envFrom", ()) if "configMapRef" in each)
        sources = [each.get("valueFrom", {}) for each in container.get("env", ())]
        yield from (each["configMapKeyRef"] for each in sources if "configMapKeyRef" in each)
    for volume in pod.get("volumes", ()):
        places = (volume, *volume.get("projected", {}).get("sources", ()))
        yield from (each["configMap"] for each in places if "configMap" in each)


def _position(manifest: Manifest) -> tuple[int, str, str]:
    kind = manifest["kind"]
    group, _, version = manifest["apiVersion"].rpartition("/")
    known = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return known, f"{group}_{version}_{kind}", manifest["metadata"]["name"]
