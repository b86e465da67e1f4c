"""Pods: what a service of a StackSpec becomes, with everything that its ServiceSpec says of it (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mlsandbox.render.kubernetes.bundle import Config, Manifest
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.names import image_key, image_version, labels, port_name, selector
from mlsandbox.render.kubernetes.probes import probes
from mlsandbox.render.kubernetes.resolver import PodResolver
from mlsandbox.render.kubernetes.resources import resources, threads_of_worker
from mlsandbox.render.kubernetes.variables import config_data, config_name, container_env, file_texts, files_config
from mlsandbox.render.kubernetes.volumes import extra_bytes, folder_bytes, mounts, volumes
from mlsandbox.stack.spec import PortSpec, ProgramEnvironment, ServiceSpec, StackSpec

__all__ = [
    "Workload",
    "configs",
    "container",
    "disruption_budget",
    "network_policy",
    "pod_port",
    "pod_template",
    "resources",
    "service_account",
    "service_object",
]

USER: Final = 10_001
"""Who runs in every pod: no user of any node (they are below 10000 by custom), whatever user the image names."""
HTTP_PORT: Final = 80
"""At which a Service answers for a model's or program's port `http`."""
NO_CPU_LIMITS: Final = {"checkov.io/skip1": "CKV_K8S_11=CPU limits were left out on purpose: they throttle while cores are idle"}
_PRE_STOP: Final = 10
"""Seconds in which a pod that is to end still answers: proxies take as long to hear that it is no longer an endpoint."""
_MARGIN: Final = 5
"""Seconds more than all of it takes."""
_SLEEP_ACTION: Final = (1, 30)
"""From here on a hook can sleep by itself; the programs of before are in every image of ours."""
_THREADS: Final = "OMP_NUM_THREADS"
"""Of OpenMP (5.0, section 6.2), and of the libraries for linear algebra that have no variable of their own set."""
_SPREAD: Final = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


@dataclass(frozen=True, slots=True)
class Workload:
    """The pods of one service, with what else runs in them."""

    name: str
    """Of its objects."""
    component: str
    """Of its labels: "server"."""
    container: str
    """Name of its first container."""
    service: ServiceSpec
    """What runs in that container."""
    sidecars: tuple[ServiceSpec, ...] = ()
    """Of the same image. They start before it and end after it; they are named after their component."""
    init: tuple[Manifest, ...] = ()
    """Containers that have to end well before all of them."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """PersistentVolumeClaims of data folders, by the folder's name; "" when the StatefulSet has a template of the volume's name.

    The other data folders last as long as the pod.
    """
    extra_volumes: tuple[Manifest, ...] = ()
    extra_mounts: tuple[Manifest, ...] = ()
    """Of its first container."""
    image: str = ""
    """Key in `ExportFacts.images`, where it is not that of the service."""
    files: Mapping[str, str] | None = None
    """Its configuration files, by path, where they are not what `variables.file_texts` finds."""
    user: int = USER
    group: int = USER

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        return (self.service, *self.sidecars)

    @property
    def key(self) -> str:
        """Of its image."""
        return self.image or image_key(self.service)


def version_of(facts: ExportFacts, workload: Workload) -> str:
    """What its version label says."""
    return image_version(facts.images[workload.key], facts.versions.get(workload.key, ""))


def object_labels(spec: StackSpec, facts: ExportFacts, workload: Workload) -> dict[str, str]:
    """The labels of its objects and pods."""
    return labels(workload.name, workload.component, project=spec.project, version=version_of(facts, workload))


def pod_template(spec: StackSpec, facts: ExportFacts, workload: Workload) -> dict[str, Any]:
    """The template of its pods, for a Deployment, StatefulSet or Job."""
    found = selector(workload.name, workload.component)
    main = container(spec, facts, workload, workload.service, name=workload.container)
    sidecars = [{**container(spec, facts, workload, each, name=each.component), "restartPolicy": "Always"} for each in workload.sidecars]
    once = workload.service.runs_once
    return {
        "metadata": {
            "labels": object_labels(spec, facts, workload),
            **({} if facts.cpu_limits else {"annotations": dict(NO_CPU_LIMITS)}),
        },
        "spec": {
            **({"restartPolicy": "OnFailure"} if once else {}),
            "serviceAccountName": workload.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": round(
                _MARGIN + (0 if once else _PRE_STOP) + sum(each.stop_grace for each in workload.services)
            ),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": workload.user,
                "runAsGroup": workload.group,
                "fsGroup": workload.group,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({} if once else _placement(found)),
            **({"initContainers": [*workload.init, *sidecars]} if workload.init or sidecars else {}),
            "containers": [main],
            "volumes": volumes(workload.services, workload.name, workload.claims, _files(spec, workload), workload.extra_volumes),
        },
    }


def container(spec: StackSpec, facts: ExportFacts, workload: Workload, service: ServiceSpec, *, name: str) -> dict[str, Any]:
    """One of its containers.

    Args:
        spec: the stack.
        facts: images and the like.
        workload: the pod that it is in.
        service: what runs in it: the workload's own, or a sidecar.
        name: of the container.
    """
    resolver = PodResolver(spec, service)
    own = service is workload.service
    shared = shared_variables(spec, facts, workload)
    folders = folder_bytes(service, workload.claims, others=() if own else (workload.service,))
    env = container_env(spec, service, workload.name, shared)
    described: dict[str, Any] = {
        "name": name,
        "image": facts.images[workload.key],
        "imagePullPolicy": "Always",
        "command": None if isinstance(service.environment, ProgramEnvironment) else ["python"],
        "args": [resolver.text(value) for value in service.args],
        "envFrom": [{"configMapRef": {"name": config_name(workload.name)}}] if shared else None,
        "env": env,
        "ports": [{"name": port_name(port), "containerPort": port.number} for port in service.ports],
        **probes(service, beside=not own),
        "lifecycle": {"preStop": _sleep(facts)} if own and service.ports else None,
        "resources": resources(service, facts, folders + (extra_bytes(workload.extra_volumes) if own else 0)),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *mounts(service, name=name if not own else "", files=bool(_files(spec, workload)) and own),
            *(workload.extra_mounts if own else ()),
        ],
    }
    return {key: value for key, value in described.items() if value not in (None, [], {})}


def configs(spec: StackSpec, facts: ExportFacts, workload: Workload) -> tuple[Config, ...]:
    """The ConfigMaps that its pods refer to: variables, and files."""
    data = shared_variables(spec, facts, workload)
    files = _files(spec, workload)
    return (
        *((Config(config_name(workload.name), data),) if data else ()),
        *((files_config(workload.name, files),) if files else ()),
    )


def shared_variables(spec: StackSpec, facts: ExportFacts, workload: Workload) -> dict[str, str]:
    """What all of its containers have from its ConfigMap."""
    threads = threads_of_worker(workload.service, facts)
    found = config_data(spec, workload.services)
    return found if threads is None else dict(sorted({_THREADS: str(threads), **found}.items()))


def service_account(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Its identity, which may do nothing."""
    return manifest(
        "ServiceAccount",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        automountServiceAccountToken=False,
    )


def service_object(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """The name and the ports at which it is reached."""
    ports = [
        {
            "name": name,
            "port": HTTP_PORT if name == "http" else port.number,
            "targetPort": pod_port(port, workload, service),
            "protocol": "TCP",
        }
        for service in workload.services
        for port in service.ports
        for name in (port_name(port),)
    ]
    return manifest(
        "Service",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        spec={"type": "ClusterIP", "selector": selector(workload.name, workload.component), "ports": ports},
    )


def pod_port(port: PortSpec, workload: Workload, service: ServiceSpec) -> str | int:
    """How Services and policies say which port of the pod is meant: by its name, or by its number when it is a sidecar's.

    Before 1.32 Kubernetes, and some network plugins too, look for names in a pod's ordinary containers alone.
    """
    return port_name(port) if service is workload.service else port.number


def disruption_budget(spec: StackSpec, facts: ExportFacts, workload: Workload) -> Manifest:
    """Nodes are emptied one pod at a time; one that is not well holds nobody up."""
    return manifest(
        "PodDisruptionBudget",
        workload.name,
        namespace=facts.namespace,
        labels=object_labels(spec, facts, workload),
        spec={
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(workload.name, workload.component)},
        },
    )


def network_policy(
    name: str, component: str, project: str, namespace: str, *, ingress: Sequence[Manifest], egress: Sequence[Manifest]
) -> Manifest:
    """Who may reach the pods of that name, and whom they may reach; `network.py` has the rules."""
    return manifest(
        "NetworkPolicy",
        name,
        namespace=namespace,
        labels=labels(name, component, project=project),
        spec={
            "podSelector": {"matchLabels": selector(name, component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": list(ingress),
            "egress": list(egress),
        },
    )


def _files(spec: StackSpec, workload: Workload) -> Mapping[str, str]:
    return file_texts(spec, workload.service) if workload.files is None else workload.files


def _sleep(facts: ExportFacts) -> dict[str, Any]:
    return {"sleep": {"seconds": _PRE_STOP}} if facts.release >= _SLEEP_ACTION else {"exec": {"command": ["sleep", str(_PRE_STOP)]}}


def _placement(found: Mapping[str, str]) -> dict[str, Any]:
    """Over machines and zones, as far as there are some."""
    term = {"topologyKey": _SPREAD[0], "labelSelector": {"matchLabels": dict(found)}}
    return {
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": dict(found)}}
            for key in _SPREAD
        ],
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]},
        },
    }
