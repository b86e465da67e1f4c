"""Whether what was applied becomes ready, and why not."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from mlsandbox.actions.prove_dry_run import address, apply
from mlsandbox.actions.prove_objects import needed_secrets, subject_of, way_in
from mlsandbox.actions.prove_result import Finding, ProveResult, Step
from mlsandbox.actions.prove_space import POLL_SECONDS
from mlsandbox.kubernetes_api import Cluster, Deadline
from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.fluentd import KEY
from mlsandbox.render.kubernetes.manifest import WORKLOADS
from mlsandbox.stack.components import elasticsearch

_TAIL: Final = 20
_STEP_LINES: Final = 40
_LAST: Final = 5
"""Events that are shown."""
_FINE: Final = frozenset({"PodInitializing", "ContainerCreating", "Completed"})
"""Why a container waits or has ended that tells nothing."""

Values = dict[str, dict[str, str]]
"""What is in the Secrets that were made."""


def apply_all(cluster: Cluster, objects: Sequence[Manifest], namespace: str, result: ProveResult) -> tuple[Values, list[Manifest]]:
    """Apply them for real, and before them what they need that nobody makes here; those that were taken are given back."""
    values = {name: {key: _value(key) for key in keys} for name, keys in needed_secrets(objects).items()}
    made: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": pairs}
        for name, pairs in values.items()
    ]
    ways = [way_in(each, namespace) for each in objects if each["kind"] == "Service" and each["spec"].get("selector")]
    for each in [*made, *ways]:
        _taken(cluster, each, namespace, result)
    taken = [each for each in objects if _taken(cluster, each, namespace, result)]
    result.applied = len(taken)
    return values, taken


def _taken(cluster: Cluster, manifest: Manifest, namespace: str, result: ProveResult) -> bool:
    reply = apply(cluster, manifest, namespace, dry_run=False)
    if not reply.ok:
        result.findings.append(Finding(Step.APPLY, subject_of(manifest), reply.message))
    return reply.ok


def wait_ready(cluster: Cluster, objects: Sequence[Manifest], namespace: str, result: ProveResult, deadline: Deadline) -> bool:
    """Wait for all that runs; a finding, with the reason, for each that does not become ready. Whether all did."""
    waiting = [each for each in objects if each["kind"] in WORKLOADS]
    ready = True
    while waiting:
        for each in list(waiting):
            there = cluster.get(address(each, namespace), absent=True) or {}
            failed = _failure(there)
            if failed or is_ready(there):
                waiting.remove(each)
            if failed:
                ready = False
                _tell(cluster, each, namespace, result, failed)
        if not waiting or deadline.over:
            break
        time.sleep(min(POLL_SECONDS, deadline.left))
    for each in waiting:
        _tell(cluster, each, namespace, result, f"not ready within {deadline.seconds:.0f} s")
    return ready and not waiting


def is_ready(workload: Mapping[str, Any]) -> bool:
    """Whether all of its pods of its newest template can be used, or it has ended well."""
    status, metadata = workload.get("status") or {}, workload.get("metadata", {})
    if workload.get("kind") == "Job":
        return _condition(status, "Complete") is not None
    wanted = workload.get("spec", {}).get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    enough = min(status.get("updatedReplicas", 0), status.get("availableReplicas", status.get("readyReplicas", 0)))
    return bool(metadata) and seen and enough >= wanted


def pod_reasons(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a pod: the container, "" for the pod itself, and the reason."""
    status = pod.get("status") or {}
    for each in status.get("conditions", ()):
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            yield "", f"{each.get('reason', 'not scheduled')}: {each.get('message', '')}".rstrip(": ")
    for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or (each.get("lastState") or {}).get("terminated") or {}
        parts = []
        if waiting.get("reason") and waiting["reason"] not in _FINE:
            parts.append(f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": "))
        if ended and ended.get("exitCode", 0) != 0:
            parts.append(f"it ended with {ended['exitCode']} ({ended.get('reason', 'Error')})")
        if not parts and (state.get("running") and not each.get("ready", False)):
            parts.append("it runs, and is not ready")
        if parts:
            yield each["name"], "; ".join(parts)


def _failure(workload: Mapping[str, Any]) -> str:
    """Why it will never be ready; "" while it may."""
    status = workload.get("status") or {}
    for name in ("Failed", "ReplicaFailure"):
        if (found := _condition(status, name)) is not None:
            return f"{found.get('reason', name)}: {found.get('message', '')}".rstrip(": ")
    for each in status.get("conditions", ()):
        if each.get("type") == "Progressing" and each.get("reason") == "ProgressDeadlineExceeded":
            return str(each.get("message") or each["reason"])
    return ""


def _condition(status: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    for each in status.get("conditions") or ():
        if each.get("type") == name and each.get("status") == "True":
            return dict(each)
    return None


def _tell(cluster: Cluster, workload: Manifest, namespace: str, result: ProveResult, what: str) -> None:
    """A finding with what is known of its pods."""
    if cluster.deadline.over:
        cluster.deadline = Deadline(POLL_SECONDS * 20)
    reasons, lines = [what], []
    for pod in _pods(cluster, workload, namespace):
        name = pod["metadata"]["name"]
        for container, reason in pod_reasons(pod):
            reasons.append(f"{f'container {container}' if container else 'its pod'}: {reason}")
            lines += _log(cluster, pod, container, namespace)
        reasons += _events(cluster, name, namespace)
    text = "\n".join(dict.fromkeys(reasons))
    result.findings.append(Finding(Step.READY, subject_of(workload), text, lines=tuple(lines[-_STEP_LINES:])))


def _pods(cluster: Cluster, workload: Manifest, namespace: str) -> list[dict[str, Any]]:
    labels = workload["spec"].get("selector", {}).get("matchLabels") or {"job-name": workload["metadata"]["name"]}
    chosen = quote(",".join(f"{name}={value}" for name, value in labels.items()))
    reply = cluster.ask("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={chosen}")
    return list(reply.body["items"]) if reply.ok else []


def _log(cluster: Cluster, pod: Mapping[str, Any], container: str, namespace: str) -> list[str]:
    if not container:
        return []
    name = pod["metadata"]["name"]
    where = f"/api/v1/namespaces/{namespace}/pods/{quote(name)}/log?container={quote(container)}&tailLines={_TAIL}"
    for previous in ("", "&previous=true"):
        reply = cluster.ask("GET", where + previous)
        if reply.ok and reply.text.strip():
            return [f"{container}: {line}" for line in reply.text.splitlines()[-_TAIL:]]
    return []


def _events(cluster: Cluster, pod: str, namespace: str) -> list[str]:
    reply = cluster.ask("GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector={quote(f'involvedObject.name={pod},type=Warning')}")
    if not reply.ok:
        return []
    return [f"{each.get('reason', '')}: {each.get('message', '')}" for each in reply.body["items"][-_LAST:]]


def _value(key: str) -> str:
    """A throw-away value; an address is that of the Elasticsearch that is exported, whether it is applied or not."""
    return elasticsearch.URL if key == KEY else secrets.token_hex(16)
