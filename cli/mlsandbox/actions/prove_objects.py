"""Exported objects as a proof needs them: in the throw-away namespace, light, and with what they expect to be there (pure)."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Export, Manifest, Overlay
from mlsandbox.render.kubernetes.manifest import KINDS, WORKLOADS
from mlsandbox.render.kubernetes.monitoring import FOUND_BY_GRAFANA
from mlsandbox.render.kubernetes.plain import component_of, plain_objects
from mlsandbox.stack.components.model import API_KEYS

_APPLIED: Final = (
    *("ServiceAccount", "ConfigMap", "Secret", "PersistentVolumeClaim", "Service", "NetworkPolicy"),
    *("PodDisruptionBudget", "HorizontalPodAutoscaler", *WORKLOADS),
)
"""What pods need, in the order in which it is applied; the rest would reach out of the namespace: to live traffic, alerts, dashboards."""
_ADMISSION: Final = "pod-security.kubernetes.io/"
_PROVER: Final = "mlsandbox-prove"


@dataclass(frozen=True, slots=True)
class Planned:
    """An object, and where it is from."""

    manifest: Manifest
    origin: str = ""
    """The component that has it; "" for the base."""
    used: bool = True
    """Whether an overlay has it."""

    @property
    def subject(self) -> str:
        return subject_of(self.manifest, self.origin)


def subject_of(manifest: Manifest, origin: str = "") -> str:
    """What a finding calls an object."""
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    return f"{name} ({origin})" if origin else name


def planned_objects(export: Export) -> list[Planned]:
    """All that can come out of an export, each object once, whichever overlay it is in; then what no overlay has."""
    origins = {(each["kind"], each["metadata"]["name"]): bundle.name for bundle in export.components for each in bundle.objects}
    configs = [(config.name, bundle.name) for bundle in export.components for config in bundle.configs]
    found: dict[str, Planned] = {}
    alone = [component_alone(export, bundle.name) for bundle in export.components]
    for used, overlay in [*((True, each) for each in export.overlays), *((False, each) for each in alone)]:
        for manifest in plain_objects(_with(export, overlay), overlay.name):
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            origin = origins.get((kind, name), "")
            if kind == "ConfigMap" and not origin:
                origin = next((bundle for config, bundle in configs if name.rpartition("-")[0] == config), "")
            text = json.dumps(placed(manifest, ""), sort_keys=True)
            found.setdefault(text, Planned(manifest, origin, used))
    return list(found.values())


def component_alone(export: Export, name: str) -> Overlay:
    """An overlay with one component and those that it needs."""
    needed: list[str] = []

    def need(component: str) -> None:
        for each in component_of(export, component).after:
            need(each)
        if component not in needed:
            needed.append(component)

    need(name)
    return Overlay(f"with-{name}", export.overlays[0].namespace, tuple(needed))


def placed(manifest: Manifest, namespace: str) -> Manifest:
    """The object in a namespace; as it is when its kind lies in none."""
    known = KINDS.get(manifest["kind"])
    if known is not None and not known.namespaced:
        return manifest
    moved = copy.deepcopy(manifest)
    moved["metadata"]["namespace"] = namespace
    return moved


def pod_of(manifest: Manifest, namespace: str) -> Manifest | None:
    """A pod from the object's template; None when it has none."""
    if manifest["kind"] not in WORKLOADS:
        return None
    template = copy.deepcopy(manifest["spec"]["template"])
    metadata = {**template.get("metadata", {}), "name": f"{manifest['metadata']['name'][:50]}-prove", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def admission_labels(objects: Iterable[Manifest]) -> dict[str, str]:
    """The Pod Security labels of the exported namespace."""
    return {
        name: value
        for each in objects
        if each["kind"] == "Namespace"
        for name, value in each["metadata"].get("labels", {}).items()
        if name.startswith(_ADMISSION)
    }


def light(objects: Sequence[Manifest], namespace: str) -> tuple[list[Manifest], list[str]]:
    """What is applied for real, with one pod each and nothing outside of the namespace; and what is left out, in words."""
    kept = [_lighter(placed(each, namespace)) for each in objects if _is_inside(each)]
    kept.sort(key=lambda each: _APPLIED.index(each["kind"]))
    left = sorted({each["kind"] for each in objects if not _is_inside(each)} - {"Namespace", "ConfigMap"})
    left += (
        ["dashboards and data sources of Grafana"] if any(each["kind"] == "ConfigMap" and not _is_inside(each) for each in objects) else []
    )
    return kept, left


def needed_secrets(objects: Sequence[Manifest]) -> dict[str, list[str]]:
    """Secrets that pods refer to and nobody makes here, with their keys."""
    there = {each["metadata"]["name"] for each in objects if each["kind"] == "Secret"}
    texts = [text for each in objects if each["kind"] == "ConfigMap" for text in each.get("data", {}).values()]
    needed: dict[str, set[str]] = {}
    for each in objects:
        if each["kind"] in WORKLOADS:
            for name, keys in _secret_keys(each["spec"]["template"]["spec"], texts):
                needed.setdefault(name, set()).update(keys)
    return {name: sorted(keys) for name, keys in sorted(needed.items()) if name not in there}


def way_in(service: Manifest, namespace: str) -> Manifest:
    """Lets the API server's proxy reach a Service's pods: their own NetworkPolicy knows of no prover."""
    ports = [{"port": each.get("targetPort", each["port"]), "protocol": "TCP"} for each in service["spec"]["ports"]]
    return {
        "apiVersion": KINDS["NetworkPolicy"].version,
        "kind": "NetworkPolicy",
        "metadata": {"name": f"{_PROVER}-{service['metadata']['name']}"[:63], "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": service["spec"]["selector"]},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        },
    }


def release_of(text: object) -> tuple[int, int] | None:
    """The version of /version's `gitVersion`: "v1.36.1-gke.5" is (1, 36); None of what is none."""
    numbers = re.match(r"v?(\d+)\.(\d+)", str(text))
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def _with(export: Export, overlay: Overlay) -> Export:
    return Export(export.base, export.components, (*export.overlays, overlay), export.missing) if overlay not in export.overlays else export


def _is_inside(manifest: Manifest) -> bool:
    outside = any(label.startswith(FOUND_BY_GRAFANA) for label in manifest["metadata"].get("labels", {}))
    return manifest["kind"] in _APPLIED and not outside


def _lighter(manifest: Manifest) -> Manifest:
    spec = manifest.get("spec", {})
    if manifest["kind"] == "HorizontalPodAutoscaler":
        spec["minReplicas"] = 1
    if manifest["kind"] in ("Deployment", "StatefulSet") and spec.get("replicas", 1) > 1:
        spec["replicas"] = 1
    if manifest["kind"] == "Service" and spec.get("type", "ClusterIP") != "ClusterIP":
        for field in ("type", "loadBalancerClass", "loadBalancerSourceRanges", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"):
            spec.pop(field, None)
    return manifest


def _secret_keys(pod: Mapping[str, Any], texts: Sequence[str]) -> Iterator[tuple[str, set[str]]]:
    """Secrets of a pod, with the keys that it is known to read."""
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    told = [each.get("value", "") for container in containers for each in container.get("env", ())]
    for container in containers:
        for each in container.get("env", ()):
            reference = each.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield reference["name"], {reference["key"]}
        for each in container.get("envFrom", ()):
            if "secretRef" in each and not each["secretRef"].get("optional"):
                yield each["secretRef"]["name"], set()
    for volume in pod.get("volumes", ()):
        sources = [source["secret"] for source in volume.get("projected", {}).get("sources", ()) if "secret" in source]
        sources += [{**volume["secret"], "name": volume["secret"]["secretName"]}] if "secret" in volume else []
        paths = [each for container in containers for each in container.get("volumeMounts", ()) if each["name"] == volume["name"]]
        for source in sources:
            if not source.get("optional") or source["name"] == API_KEYS.name:
                items = {item["key"] for item in source.get("items", ())}
                yield source["name"], items or _mounted(paths, [*told, *texts])


def _mounted(mounts: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> set[str]:
    """Files below the mounts that some text names; a file that is mounted alone."""
    found = {each["subPath"] for each in mounts if "subPath" in each}
    for each in mounts:
        below = re.compile(re.escape(each["mountPath"].rstrip("/")) + r"/([A-Za-z0-9._-]+)")
        found |= {name for text in texts for name in below.findall(text)}
    return found
