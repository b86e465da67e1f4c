"""The way of the API server to what is behind a Service."""

from __future__ import annotations

import urllib.request
from urllib.error import HTTPError

from kubernetes_standin.cluster import Cluster, Manifest
from kubernetes_standin.refusal import Refused

_PASSED = ("content-type", "x-api-key", "x-request-id", "x-sandbox-origin", "accept")


def target(cluster: Cluster, namespace: str, name: str) -> str:
    """The address behind "http:NAME:PORT"; Refused when there is no such Service, port, or pod that is ready."""
    scheme, service, port = name.split(":") if name.count(":") == 2 else ("", *name.partition(":")[::2])
    found: Manifest = cluster.get(cluster.kind("v1", "services"), namespace, service)
    known = {str(each["port"]) for each in found["spec"]["ports"]} | {each.get("name", "") for each in found["spec"]["ports"]}
    pods = cluster.listed(cluster.kind("v1", "pods"), namespace, found["spec"].get("selector") or {})
    ready = any(condition == {"type": "Ready", "status": "True"} for pod in pods for condition in pod["status"]["conditions"])
    if port not in known or not ready or service not in cluster.settings.services or scheme not in ("", "http"):
        raise Refused(503, f'no endpoints available for service "{name}"')
    return cluster.settings.services[service]


def forward(url: str, method: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """The answer of what is there."""
    kept = {name: value for name, value in headers.items() if name.lower() in _PASSED}
    request = urllib.request.Request(url, body if method != "GET" else None, kept, method=method)  # noqa: S310 - the test's own address
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            return answer.status, dict(answer.headers), answer.read()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read()
    except OSError as error:
        raise Refused(503, f"error trying to reach service: {error}") from error
