"""The base of every export (pure): the namespace, and each model's server with its shipper beside it.

A pod writes its events to a folder of its own, from which the shipper takes them: it is a sidecar (an init container that is always
started again), so it starts before the server and ends after it, and nothing that was answered is lost with a pod that is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Bundle, Config, Manifest
from mlsandbox.render.kubernetes.facts import EXTERNAL_SECRETS, ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.names import MANAGER, models, object_names, port_name, selector, shipper_of
from mlsandbox.render.kubernetes.network import MONITORING, default_deny, own_pods, pods_in, reached_by, reaches, reaches_dns
from mlsandbox.render.kubernetes.resources import GIB, bytes_of, quantity
from mlsandbox.render.kubernetes.variables import sink_entries, sinks_name
from mlsandbox.render.kubernetes.volumes import secret_names
from mlsandbox.render.kubernetes.workload import (
    NO_CPU_LIMITS,
    Workload,
    configs,
    disruption_budget,
    network_policy,
    object_labels,
    pod_port,
    pod_template,
    service_account,
    service_object,
)
from mlsandbox.stack.spec import Address, Joined, ModelEnvironment, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env

BASE: Final = "base"
SERVER: Final = "server"
"""The component of a model's pods, and the name of the container that answers."""
LEAST: Final = 2
MOST: Final = 10
"""Pods of a model, when no overlay says otherwise."""
CPU_PERCENT: Final = 70
"""Of what the server asked for; above it there are more pods."""
_MUCH_STORAGE: Final = 10 * GIB
"""Of a node's disk; a pod that may fill as much is warned of."""
_READY_SECONDS: Final = 10
"""A new pod has to be well for so long before an old one goes."""
_PROGRESS_SECONDS: Final = 1500
"""In which a new pod has to be ready, or the rollout is said to have failed: shipper and server may take 300 each to start, and the
check of a volume (`model-pvc`) waits for its Job for 600; the rest is for images."""


@dataclass(frozen=True, slots=True)
class ServerParts:
    """What a model's server is made of."""

    objects: tuple[Manifest, ...]
    configs: tuple[Config, ...]


def base_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The base."""
    names = object_names(spec)
    parts = [server_objects(spec, facts, model, name=names[model.name]) for model in models(spec)]
    shared = {"app.kubernetes.io/part-of": spec.project, "app.kubernetes.io/managed-by": MANAGER}
    return Bundle(
        BASE,
        "The namespace, and each model with its shipper: Deployment, Service, autoscaler, disruption budget, network policy.",
        objects=(
            _namespace(facts, shared),
            default_deny(facts.namespace, spec.project, shared),
            *(each for part in parts for each in part.objects),
        ),
        configs=(*(each for part in parts for each in part.configs), *_sinks_of_others(spec)),
        todo=_todo(spec, facts),
    )


def server_workload(spec: StackSpec, service: ServiceSpec, *, name: str, image: str = "", component: str = SERVER) -> Workload:
    """The pods of a model.

    Args:
        spec: the stack.
        service: the model service.
        name: of its objects.
        image: key in `ExportFacts.images`; the model's own when empty.
        component: of its labels.
    """
    shipper = shipper_of(spec, service)
    kept = {each: value for each, value in shipper.env.items() if each != Env.ELASTICSEARCH_URL}  # for those who look for events in it
    return Workload(name, component, SERVER, service, sidecars=(replace(shipper, env=kept),), image=image)


def server_objects(
    spec: StackSpec, facts: ExportFacts, service: ServiceSpec, *, name: str, image: str = "", component: str = SERVER
) -> ServerParts:
    """All objects of a model, by the arguments of `server_workload`."""
    workload = server_workload(spec, service, name=name, image=image, component=component)
    return ServerParts(
        (
            service_account(spec, facts, workload),
            _deployment(spec, facts, workload),
            service_object(spec, facts, workload),
            _autoscaler(spec, facts, workload),
            disruption_budget(spec, facts, workload),
            server_policy(spec, facts, workload),
        ),
        configs(spec, facts, workload),
    )


def server_policy(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Requests come from the own namespace, and metrics are read from where Prometheus is; components that expose it add whom they have.

    It reaches the sinks of its events and nothing else, whether or not these are there.
    """
    service, *sidecars = workload.services
    ports = [port_name(each) for each in service.ports]
    scraped = [pod_port(each.port(each.metrics.port), workload, each) for each in workload.services if each.metrics is not None]
    return network_policy(
        workload.name,
        workload.component,
        spec.project,
        facts.namespace,
        ingress=[reached_by([own_pods()], ports), reached_by([pods_in(MONITORING)], scraped)],
        egress=[reaches_dns(), *(rule for each in sidecars for rule in sink_rules(spec, each))],
    )


def sink_rules(spec: StackSpec, service: ServiceSpec) -> list[dict[str, Any]]:
    """Rules of `egress` for the sinks of a service's events."""
    names = object_names(spec)
    value = service.env[Env.SINKS]
    addresses = [each for each in value.parts if isinstance(each, Address)] if isinstance(value, Joined) else []
    return [reaches([own_pods(names[each.service])], [spec.service(each.service).port(each.port).number]) for each in addresses]


def _sinks_of_others(spec: StackSpec) -> Iterator[Config]:
    """Sinks of services besides models, apart from all that models have: a component of a sink finds them whether or not they are there."""
    for service in spec.services:
        entries = {} if isinstance(service.environment, ModelEnvironment) else sink_entries(spec, service)
        if entries:
            yield Config(sinks_name(service.name), dict.fromkeys(entries, ""))


def _namespace(facts: ExportFacts, shared: dict[str, str]) -> Manifest:
    """Pods that could do more than they need are refused in it (Pod Security Standards, "restricted")."""
    security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "warn", "audit")
        for suffix, value in (("", "restricted"), ("-version", "latest"))
    }
    return manifest("Namespace", facts.namespace, namespace="", labels={**shared, **security})


def _deployment(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Without `replicas`, which belong to the autoscaler."""
    return manifest(
        "Deployment",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        annotations=None if facts.cpu_limits else NO_CPU_LIMITS,
        spec={
            "revisionHistoryLimit": 5,
            "minReadySeconds": _READY_SECONDS,
            "progressDeadlineSeconds": _PROGRESS_SECONDS,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": selector(workload.name, workload.component)},
            "template": pod_template(spec, facts, workload),
        },
    )


def _autoscaler(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Up at once, down slowly: loading a model takes longer than a request that waits for it."""
    up = [{"type": "Percent", "value": 100, "periodSeconds": 30}, {"type": "Pods", "value": 2, "periodSeconds": 30}]
    down = [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    return manifest(
        "HorizontalPodAutoscaler",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name},
            "minReplicas": LEAST,
            "maxReplicas": MOST,
            "metrics": [
                {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": workload.container, "target": target}}
            ],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": up},
                "scaleDown": {"stabilizationWindowSeconds": 300, "selectPolicy": "Max", "policies": down},
            },
        },
    )


def _of_storage(spec: StackSpec, facts: ExportFacts) -> Iterator[str]:
    """What the pods of models ask their nodes for, which are all alike but for their scratch folders."""
    pods = [pod_template(spec, facts, server_workload(spec, model, name=object_names(spec)[model.name]))["spec"] for model in models(spec)]
    requested, limit = (max(_storage(pod, each) for pod in pods) for each in ("requests", "limits"))
    yield (
        f"Each pod of a model asks for {quantity(requested)} of its node's ephemeral storage, and may fill {quantity(limit)}: mostly with "
        "events, while what takes them is away ([log] spool_size)."
    )
    if limit >= _MUCH_STORAGE:
        yield (
            f"{quantity(limit)} is more than many nodes have for all of their pods: when a node's disk gets full, the kubelet ends pods, "
            "and events that nobody has taken are lost with them. A smaller spool_size drops the oldest events instead."
        )


def _storage(pod: Manifest, kind: str) -> int:
    """Bytes that its containers have together; those that end before the others start have less."""
    running = [*pod["containers"], *(each for each in pod["initContainers"] if each.get("restartPolicy") == "Always")]
    return sum(bytes_of(each["resources"][kind]["ephemeral-storage"]) for each in running)


def _todo(spec: StackSpec, facts: ExportFacts) -> tuple[str, ...]:
    secrets = sorted({each for model in models(spec) for each in secret_names(model)})
    return (
        "The cluster needs a metrics server for its autoscalers, and a network plugin that enforces network policies.",
        "A registry that asks for a password needs an image pull secret: add imagePullSecrets to the service accounts, in an overlay.",
        (
            f"Network policies admit requests from the own namespace alone, and scraping from the namespace {', '.join(MONITORING)}: where "
            "Prometheus or who asks is elsewhere, add that to ingress of each model's NetworkPolicy, by a patch in an overlay."
        ),
        (
            "Network policies let pods ask for names at port 53 of kube-dns in kube-system and of 169.254.20.10 (NodeLocal DNSCache). "
            "OpenShift has its DNS in the namespace openshift-dns at port 5353, GKE with Cloud DNS at 169.254.169.254: add these to egress "
            "there, or no pod finds another."
        ),
        *_of_storage(spec, facts),
        *(
            f"Pods need the secret {each}: {EXTERNAL_SECRETS} makes it."
            if facts.has(EXTERNAL_SECRETS)
            else f"Pods need the secret {each}: `kubectl --namespace {facts.namespace} create secret generic {each}"
            f" --from-file={each}=.sandbox/secrets/{each}`"
            for each in secrets
        ),
    )
