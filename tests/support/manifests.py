"""Kubernetes manifests as tests read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Manifest = dict[str, Any]


def of_kind(objects: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


def named(each: Manifest) -> str:
    """An object for a message."""
    return f"{each['kind']}/{each['metadata']['name']}"


def workloads(objects: Iterable[Manifest]) -> list[Manifest]:
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def lasting(objects: Iterable[Manifest]) -> list[Manifest]:
    return of_kind(objects, "Deployment", "StatefulSet")


def pod(each: Manifest) -> Manifest:
    """The pod spec of a workload."""
    spec: Manifest = each["spec"]["template"]["spec"]
    return spec


def pod_labels(each: Manifest) -> dict[str, str]:
    labels: dict[str, str] = each["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(each: Manifest) -> list[Manifest]:
    """All containers of a workload, also those that run before."""
    return [*pod(each).get("initContainers", []), *pod(each)["containers"]]


def served(each: Manifest) -> list[Manifest]:
    """Its containers that keep running: sidecars are init containers that are started again."""
    beside = [one for one in pod(each).get("initContainers", []) if one.get("restartPolicy") == "Always"]
    return [*beside, *pod(each)["containers"]]


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector finds these labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for term in selector.get("matchExpressions", []):
        inside = labels.get(term["key"]) in term.get("values", [])
        if {"In": not inside, "NotIn": inside, "Exists": term["key"] not in labels, "DoesNotExist": term["key"] in labels}[
            term["operator"]
        ]:
            return False
    return True
