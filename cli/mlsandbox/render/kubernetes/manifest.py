"""The kinds that are exported, and how an object of one begins (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Manifest


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the Kubernetes API."""

    version: str
    """apiVersion."""
    plural: str
    """As in its URL."""
    namespaced: bool = True


KINDS: Final[Mapping[str, Kind]] = {
    "Namespace": Kind("v1", "namespaces", namespaced=False),
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "ConfigMap": Kind("v1", "configmaps"),
    "Secret": Kind("v1", "secrets"),
    "PersistentVolume": Kind("v1", "persistentvolumes", namespaced=False),
    "PersistentVolumeClaim": Kind("v1", "persistentvolumeclaims"),
    "Service": Kind("v1", "services"),
    "Pod": Kind("v1", "pods"),
    "Deployment": Kind("apps/v1", "deployments"),
    "StatefulSet": Kind("apps/v1", "statefulsets"),
    "Job": Kind("batch/v1", "jobs"),
    "HorizontalPodAutoscaler": Kind("autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
    "Ingress": Kind("networking.k8s.io/v1", "ingresses"),
    "HTTPRoute": Kind("gateway.networking.k8s.io/v1", "httproutes"),
    "ServiceMonitor": Kind("monitoring.coreos.com/v1", "servicemonitors"),
    "PrometheusRule": Kind("monitoring.coreos.com/v1", "prometheusrules"),
    "ScaledObject": Kind("keda.sh/v1alpha1", "scaledobjects"),
    "ExternalSecret": Kind("external-secrets.io/v1", "externalsecrets"),
    "SealedSecret": Kind("bitnami.com/v1alpha1", "sealedsecrets"),
}
WORKLOADS: Final = ("Deployment", "StatefulSet", "Job")
"""Kinds that have a template of pods."""


def manifest(
    kind: str, name: str, *, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None, **fields: Any
) -> Manifest:
    """An object.

    Args:
        kind: of KINDS.
        name: its name.
        namespace: where it lies; left out for kinds that lie in none.
        labels: its labels.
        annotations: its annotations.
        fields: what its kind has: spec, data, …; None is left out.
    """
    known = KINDS[kind]
    metadata: dict[str, Any] = {"name": name}
    if known.namespaced:
        metadata["namespace"] = namespace
    metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": known.version,
        "kind": kind,
        "metadata": metadata,
        **{field: value for field, value in fields.items() if value is not None},
    }
