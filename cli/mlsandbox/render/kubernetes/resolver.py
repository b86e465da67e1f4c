"""What every reference of a StackSpec becomes inside of a pod (pure)."""

from __future__ import annotations

from typing import Final

from mlsandbox.render.kubernetes.names import object_names
from mlsandbox.stack.spec import (
    Address,
    ConfigPath,
    DataFolder,
    Joined,
    ListenHost,
    ListenPort,
    PackagePath,
    SecretFile,
    ServiceSpec,
    StackSpec,
    Value,
)

CONFIG: Final = "/etc/sandbox"
"""Also how files of the top-level folders write it: they are the same here."""
SECRETS: Final = "/run/secrets/sandbox"
"""Each secret is a file below it, named like the secret."""
PACKAGE: Final = "/home/bentoml/bento"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - inside of a pod; who may reach it is the NetworkPolicy's


class PodResolver:
    """Turns the references of one service into texts."""

    def __init__(self, spec: StackSpec, service: ServiceSpec) -> None:
        self._spec = spec
        self._service = service
        self._hosts = object_names(spec)

    def text(self, value: Value) -> str:
        match value:
            case str():
                return value
            case Address(service, port):
                return f"{self._hosts[service]}:{self._spec.service(service).port(port).number}"
            case ListenHost():
                return _EVERYWHERE
            case ListenPort(port):
                return str(self._service.port(port).number)
            case Joined(parts):
                return "".join(self.text(part) for part in parts)
            case _:
                return _path(value)


def _path(value: DataFolder | SecretFile | ConfigPath | PackagePath) -> str:
    match value:
        case DataFolder(mount=mount):
            return mount
        case SecretFile(name):
            return f"{SECRETS}/{name}"
        case ConfigPath(relative):
            return _below(CONFIG, relative)
        case PackagePath(relative):
            return _below(PACKAGE, relative)


def _below(folder: str, relative: str) -> str:
    return f"{folder}/{relative}" if relative else folder
