"""The rules of NetworkPolicies (pure). To the pods of a project everything is denied first; these say what is needed.

Own pods are found by their labels and never by the namespace's name, which each overlay changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.names import COMPONENT

MONITORING: Final = ("monitoring",)
"""Namespaces whose pods scrape metrics, as the charts of Prometheus' operator name them."""
INGRESS_CONTROLLER: Final = "ingress-nginx"
"""The namespace whose pods forward requests of an Ingress, as the manifests and the chart of ingress-nginx name it."""
DENY: Final = "default-deny"
_NAMESPACE: Final = "kubernetes.io/metadata.name"
_PROJECT: Final = "app.kubernetes.io/part-of"
_NAME: Final = "app.kubernetes.io/name"
_DNS: Final = 53
_DNS_OF_THE_NODE: Final = "169.254.20.10/32"
"""NodeLocal DNSCache answers here, where a cluster has it."""


def default_deny(namespace: str, project: str, labels: dict[str, str]) -> Manifest:
    """No pod of the project may reach anybody, or be reached; pods of others in the same namespace are left as they are."""
    spec = {"podSelector": {"matchLabels": {_PROJECT: project}}, "policyTypes": ["Ingress", "Egress"]}
    return manifest("NetworkPolicy", DENY, namespace=namespace, labels=labels, spec=spec)


def own_pods(name: str = "") -> dict[str, Any]:
    """Pods of the same namespace: all, or those of one name."""
    return {"podSelector": {"matchLabels": {_NAME: name}} if name else {}}


def own_pods_of(component: str) -> dict[str, Any]:
    """Pods of the same namespace that are one component: "server" is all models."""
    return {"podSelector": {"matchLabels": {COMPONENT: component}}}


def pods_in(namespaces: Iterable[str]) -> dict[str, Any]:
    """All pods of other namespaces, by the label that Kubernetes itself gives these."""
    return {"namespaceSelector": {"matchExpressions": [{"key": _NAMESPACE, "operator": "In", "values": sorted(set(namespaces))}]}}


def reached_by(peers: Sequence[dict[str, Any]], ports: Sequence[str | int]) -> dict[str, Any]:
    """A rule of `ingress`: by whom, at which ports of the pod."""
    return {"from": list(peers), "ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def reaches(peers: Sequence[dict[str, Any]], ports: Sequence[int]) -> dict[str, Any]:
    """A rule of `egress`: whom, at which ports of theirs."""
    return {"to": list(peers), "ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def reaches_anybody(ports: Sequence[int]) -> dict[str, Any]:
    """A rule of `egress`: these ports, wherever they are."""
    return {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}


def reaches_dns() -> dict[str, Any]:
    """The rule of `egress` without which no name is found."""
    peers = [
        {"namespaceSelector": {"matchLabels": {_NAMESPACE: "kube-system"}}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        {"ipBlock": {"cidr": _DNS_OF_THE_NODE}},
    ]
    return {"to": peers, "ports": [{"port": _DNS, "protocol": protocol} for protocol in ("UDP", "TCP")]}
