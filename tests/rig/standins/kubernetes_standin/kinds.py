"""The kinds that are served, by API group."""

from __future__ import annotations

from dataclasses import dataclass

_CORE = {
    "v1": {
        "Namespace": "namespaces",
        "Node": "nodes",
        "PersistentVolume": "persistentvolumes",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "Event": "events",
        "ServiceAccount": "serviceaccounts",
        "ConfigMap": "configmaps",
        "Secret": "secrets",
        "Service": "services",
    },
    "apps/v1": {"Deployment": "deployments", "StatefulSet": "statefulsets", "ReplicaSet": "replicasets", "DaemonSet": "daemonsets"},
    "batch/v1": {"Job": "jobs", "CronJob": "cronjobs"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"},
}
_MORE = {
    "gateway.networking.k8s.io/v1": {"HTTPRoute": "httproutes", "Gateway": "gateways"},
    "monitoring.coreos.com/v1": {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"},
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobjects", "TriggerAuthentication": "triggerauthentications"},
    "external-secrets.io/v1": {"ExternalSecret": "externalsecrets", "SecretStore": "secretstores"},
    "bitnami.com/v1alpha1": {"SealedSecret": "sealedsecrets"},
}
_UNSCOPED = {"Namespace", "Node", "PersistentVolume"}


@dataclass(frozen=True)
class Kind:
    """One of them."""

    version: str
    name: str
    plural: str

    @property
    def namespaced(self) -> bool:
        return self.name not in _UNSCOPED

    @property
    def known(self) -> bool:
        """Whether it is one of Kubernetes' own, with a schema."""
        return self.version in _CORE

    @property
    def qualified(self) -> str:
        """As messages name its resources: "deployments.apps"."""
        group, _, version = self.version.rpartition("/")
        return f"{self.plural}.{group}" if version and group else self.plural


def served(groups: list[str]) -> dict[str, list[Kind]]:
    """By apiVersion."""
    chosen = {**_CORE, **{version: kinds for version, kinds in _MORE.items() if version.partition("/")[0] in groups}}
    return {version: [Kind(version, name, plural) for name, plural in kinds.items()] for version, kinds in chosen.items()}
