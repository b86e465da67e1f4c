"""What runs once and keeps data of its own (pure): claims, StatefulSets, and Jobs that run before there is anything to keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.names import selector
from mlsandbox.render.kubernetes.resources import quantity
from mlsandbox.render.kubernetes.variables import config_data
from mlsandbox.render.kubernetes.workload import NO_CPU_LIMITS, Workload, object_labels, pod_template
from mlsandbox.stack.spec import StackSpec

_TRIES: Final = 10
"""With the pauses between them about half an hour."""
_DIGITS: Final = 8


def dead_node(volume: str) -> str:
    """What its user has to do for a volume, here by its claim, of a node that is gone without a word."""
    return (
        f"When a node dies, the volume of the claim {volume} stays with it, and the pod that needs it waits: once that node is off for "
        "certain, `kubectl taint nodes NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute` sets it free."
    )


def claim_spec(size: int) -> dict[str, Any]:
    """A volume of the cluster's usual class for one node at a time."""
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": quantity(size)}}}


def stateful_set(spec: StackSpec, facts: ExportFacts, workload: Workload, volume: str, size: int, **changes: Any) -> Manifest:
    """A StatefulSet of one pod.

    Args:
        spec: the stack.
        facts: the facts.
        workload: its pod, whose `claims` has "" for the folder.
        volume: name of the volume that each pod keeps.
        size: of it, in bytes.
        changes: further fields of the pod's `spec`.
    """
    template = pod_template(spec, facts, workload)
    template["spec"] |= changes
    return manifest(
        "StatefulSet",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        annotations=template["metadata"].get("annotations"),
        spec={
            "replicas": 1,
            "serviceName": workload.name,
            "revisionHistoryLimit": 5,
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": selector(workload.name, workload.component)},
            "template": template,
            "volumeClaimTemplates": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": volume, "labels": selector(workload.name, workload.component)},
                    "spec": claim_spec(size),
                }
            ],
        },
    )


def job(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """A Job that runs a service once; its variables are in it, for a ConfigMap's name would change under it."""
    template = pod_template(spec, facts, workload)
    (container,) = template["spec"]["containers"]
    del container["envFrom"]
    texts = config_data(spec, workload.services)
    container["env"] = [*({"name": name, "value": value} for name, value in texts.items()), *container.get("env", [])]
    described = {"backoffLimit": _TRIES, "template": template}
    return digested_job(workload.name, described, facts, object_labels(spec, facts, workload))


def digested_job(name: str, described: Mapping[str, Any], facts: ExportFacts, found: Mapping[str, str]) -> Manifest:
    """A Job whose name ends with a digest of its `spec`, so that another one comes beside it: most of a Job cannot be changed.

    It stays when it has ended: whoever applies manifests again and again would make one anew that has gone by itself.

    Args:
        name: without the digest, at most 54 characters.
        described: its `spec`.
        facts: the facts.
        found: its labels.
    """
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    annotations = None if facts.cpu_limits else NO_CPU_LIMITS
    return manifest("Job", f"{name}-{digest}", namespace=facts.namespace, labels=found, annotations=annotations, spec=described)
