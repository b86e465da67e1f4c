"""What every reference of a StackSpec becomes inside of a pod (pure)."""

from __future__ import annotations

from typing import Final

from mlsandbox.render.containers import ContainerResolver
from mlsandbox.render.kubernetes.names import object_names
from mlsandbox.stack.spec import ServiceSpec, StackSpec

SECRETS: Final = "/run/secrets/sandbox"
"""Each secret is a file below it, named like the secret."""


class PodResolver(ContainerResolver):
    """As in a container; services are reached by the names of their Services, and secrets lie together."""

    def __init__(self, spec: StackSpec, service: ServiceSpec) -> None:
        super().__init__(spec, service, hosts=object_names(spec), secrets=SECRETS)
