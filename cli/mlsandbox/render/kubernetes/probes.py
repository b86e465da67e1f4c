"""How the kubelet asks a container whether it is well (pure)."""

from __future__ import annotations

from typing import Any

from mlsandbox.render.kubernetes.names import port_name
from mlsandbox.stack.spec import Probe, ServiceSpec


def probes(service: ServiceSpec, *, beside: bool = False) -> dict[str, Any]:
    """Its probes; none of a service that runs once, or that nobody can ask.

    Readiness takes the pod out of its Service, liveness starts the container anew: hence another path for it, which a slow or full
    service still answers, or the port alone. Neither is asked before the service has been ready once, for which the largest model has
    five minutes.

    Args:
        service: what runs in the container.
        beside: whether it is a sidecar: predictions go on without it, so that it never takes the pod out of its Service.
    """
    if service.readiness is None or service.runs_once:
        return {}
    alive = (
        {"tcpSocket": {"port": port_name(service.port(service.readiness.port))}}
        if service.liveness is None
        else _get(service, service.liveness)
    )
    return {
        "startupProbe": {**_get(service, service.readiness), "periodSeconds": 2, "timeoutSeconds": 3, "failureThreshold": 150},
        **(
            {}
            if beside
            else {"readinessProbe": {**_get(service, service.readiness), "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 2}}
        ),
        "livenessProbe": {**alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def _get(service: ServiceSpec, probe: Probe) -> dict[str, Any]:
    return {"httpGet": {"path": probe.path, "port": port_name(service.port(probe.port)), "scheme": "HTTP"}}
