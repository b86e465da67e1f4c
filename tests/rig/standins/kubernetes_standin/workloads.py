"""What a cluster would make of workloads: their status, their pods, what these wrote, and events about them."""

from __future__ import annotations

import copy
from typing import Any

from kubernetes_standin.settings import Settings

CONTROLLED = ("Deployment", "StatefulSet", "Job")


def with_status(manifest: dict[str, Any], looks: int, settings: Settings) -> dict[str, Any]:
    """The object as it is seen after so many looks at it."""
    seen = copy.deepcopy(manifest)
    ready = looks >= settings.polls and manifest["metadata"]["name"] not in settings.stuck
    seen["status"] = _status(seen, ready=ready)
    return seen


def pods_of(manifest: dict[str, Any], looks: int, settings: Settings) -> list[dict[str, Any]]:
    """Its one pod."""
    name, template = manifest["metadata"]["name"], copy.deepcopy(manifest["spec"]["template"])
    stuck = settings.stuck.get(name)
    ready = looks >= settings.polls and stuck is None
    metadata = {**template.get("metadata", {}), "name": f"{name}-0", "namespace": manifest["metadata"]["namespace"]}
    if manifest["kind"] == "Job":
        metadata["labels"] = {**metadata.get("labels", {}), "job-name": name}
    statuses = [_container(each["name"], ready=ready, stuck=stuck) for each in template["spec"]["containers"]]
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}]
    if stuck and not stuck.get("container"):
        conditions[0] = {"type": "PodScheduled", "status": "False", "reason": stuck["reason"], "message": stuck["message"]}
    phase = "Running" if ready else "Pending"
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": _of(phase, conditions, statuses)}]


def log_of(pod: str, container: str, settings: Settings) -> str:
    """What a container wrote."""
    stuck = settings.stuck.get(pod.removesuffix("-0"), {})
    return str(stuck.get("log", "")) if stuck.get("container") == container else ""


def events_of(pod: str, settings: Settings) -> list[dict[str, Any]]:
    """Warnings about a pod."""
    stuck = settings.stuck.get(pod.removesuffix("-0"), {})
    if "event" not in stuck:
        return []
    return [{"apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": stuck["reason"], "message": stuck["event"]}]


def _status(manifest: dict[str, Any], *, ready: bool) -> dict[str, Any]:
    if manifest["kind"] == "Job":
        return {"conditions": [{"type": "Complete", "status": "True"}]} if ready else {"active": 1}
    replicas = manifest["spec"].get("replicas", 1)
    usable = replicas if ready else 0
    numbers = {"readyReplicas": usable, "availableReplicas": usable, "updatedReplicas": replicas, "replicas": replicas}
    return {"observedGeneration": manifest["metadata"]["generation"], **numbers}


def _container(name: str, *, ready: bool, stuck: dict[str, Any] | None) -> dict[str, Any]:
    state: dict[str, Any] = {"running": {}}
    if stuck and stuck.get("container") == name:
        state = {"waiting": {"reason": stuck["reason"], "message": stuck["message"]}}
    return {"name": name, "ready": ready, "state": state}


def _of(phase: str, conditions: list[dict[str, Any]], statuses: list[dict[str, Any]]) -> dict[str, Any]:
    return {"phase": phase, "conditions": conditions, "containerStatuses": statuses}
