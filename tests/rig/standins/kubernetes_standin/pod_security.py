"""The profile `restricted` of the Pod Security Standards: https://kubernetes.io/docs/concepts/security/pod-security-standards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"}
_HOST = ("hostNetwork", "hostPID", "hostIPC")
_SECCOMP = ("RuntimeDefault", "Localhost")
_CAPABILITY = "NET_BIND_SERVICE"


def violations(pod: dict[str, Any]) -> list[str]:
    """What a pod's spec violates, in the words of the admission plug-in."""
    return [*_of_pod(pod), *(text for container in _containers(pod) for text in _of_container(pod, container))]


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    if any(pod.get(name) for name in _HOST):
        yield "host namespaces"
    for volume in pod.get("volumes", ()):
        kinds = volume.keys() - {"name"}
        if kinds - _VOLUMES:
            yield f'restricted volume types (volume "{volume["name"]}" uses restricted volume type "{min(kinds - _VOLUMES)}")'
    context = pod.get("securityContext") or {}
    if context.get("runAsUser") == 0:
        yield "runAsUser=0 (pod must not set runAsUser=0)"


def _of_container(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    own, shared, name = container.get("securityContext") or {}, pod.get("securityContext") or {}, container["name"]
    if own.get("privileged"):
        yield f'privileged (container "{name}" must not set securityContext.privileged=true)'
    if own.get("allowPrivilegeEscalation") is not False:
        yield f'allowPrivilegeEscalation != false (container "{name}" must set securityContext.allowPrivilegeEscalation=false)'
    capabilities = own.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", ()):
        yield f'unrestricted capabilities (container "{name}" must set securityContext.capabilities.drop=["ALL"])'
    if set(capabilities.get("add", ())) - {_CAPABILITY}:
        yield f'unrestricted capabilities (container "{name}" must not include {sorted(capabilities["add"])})'
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
        yield f'runAsNonRoot != true (pod or container "{name}" must set securityContext.runAsNonRoot=true)'
    if own.get("runAsUser") == 0:
        yield f'runAsUser=0 (container "{name}" must not set runAsUser=0)'
    profile = (own.get("seccompProfile") or shared.get("seccompProfile") or {}).get("type")
    if profile not in _SECCOMP:
        yield f'seccompProfile (pod or container "{name}" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    if any("hostPort" in port and port["hostPort"] for port in container.get("ports", ())):
        yield f'hostPort (container "{name}" uses a hostPort)'


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(part) or ()
