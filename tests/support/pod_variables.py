"""The environment that a kubelet gives a container."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from support.manifests import Manifest, containers, of_kind

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


def variables(workload: Manifest, objects: Sequence[Manifest], name: str = "server") -> Mapping[str, str]:
    """What the variables of one of its containers are."""
    configs = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(objects, "ConfigMap")}
    (container,) = (each for each in containers(workload) if each["name"] == name)
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= configs[source["configMapRef"]["name"]]
    for entry in container.get("env", []):
        reference = entry.get("valueFrom", {}).get("configMapKeyRef")
        if reference is None:
            found[entry["name"]] = _REFERENCE.sub(lambda match: found[match[1]], entry["value"])
        elif reference["key"] in configs[reference["name"]] or not reference.get("optional"):
            found[entry["name"]] = configs[reference["name"]][reference["key"]]
    return found
