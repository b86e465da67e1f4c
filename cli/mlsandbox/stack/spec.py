"""The neutral description of a stack. Compose files, Kubernetes manifests and child processes are all rendered from it.

Frozen dataclasses, standard library only; no word here belongs to one engine. Values that differ between engines (where a
service is reached, where a folder lies) are references that each renderer resolves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Condition(StrEnum):
    """When a dependency counts as there."""

    STARTED = "started"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Address:
    """`host:port` of another service's port, as seen from the service that uses it."""

    service: str
    port: str


@dataclass(frozen=True, slots=True)
class ListenHost:
    """The address a service binds: loopback for child processes, all interfaces inside a container."""

    public: bool = False
    """True for the API port, which follows `[stack] host`."""


@dataclass(frozen=True, slots=True)
class ListenPort:
    """The number of one of the service's own ports."""

    port: str


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder that outlives the service, shared by every service that names it (a volume in containers)."""

    name: str


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Path of a generated secret (0600)."""

    name: str


@dataclass(frozen=True, slots=True)
class PackagePath:
    """A path inside the model's package; "" is the package itself (the bento)."""

    relative: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """Several values written one after the other, as in "log-store=" + address."""

    parts: tuple[str | Address | ListenHost | ListenPort | DataFolder | SecretFile | PackagePath, ...]


Reference = Address | ListenHost | ListenPort | DataFolder | SecretFile | PackagePath | Joined
Value = str | Reference


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A port that a service listens on."""

    name: str
    """Unique in the stack; a value of `contract.Port`, with the model's name behind it for further models ("api-churn")."""
    number: int
    """The number on this machine."""
    public: bool = False
    """Reached by users (follows `[stack] host`), rather than by other services only."""


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP GET that answers 200 when all is well."""

    port: str
    path: str
    period: float = 0.2
    """Seconds between two tries while starting; ten times as long once ready."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Caps, enforced where the platform can."""

    memory_bytes: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, slots=True)
class ModelEnvironment:
    """The environment that the model's lock describes."""

    lock_digest: str
    python: str
    """Minor version, "3.11"."""
    lock: Path


@dataclass(frozen=True, slots=True)
class ServiceEnvironment:
    """An environment of our own, locked in `services/requirements/<name>.txt`."""

    name: str


Environment = ModelEnvironment | ServiceEnvironment


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: what to run, with what, and how to know that it is well."""

    name: str
    environment: Environment
    module: tuple[Value, ...]
    """Arguments after the environment's Python, e.g. ("-m", "mlsandbox_serving.spool.shipper")."""
    env: Mapping[str, Value] = field(default_factory=dict)
    ports: tuple[PortSpec, ...] = ()
    liveness: Probe | None = None
    readiness: Probe | None = None
    needs: Mapping[str, Condition] = field(default_factory=dict)
    resources: Resources = Resources()
    stop_grace: float = 10.0
    """Seconds between the polite and the forceful end."""
    package: str | None = None
    """Tag of the package whose files `PackagePath` means, "churn:v3"; it also brings the served code."""


@dataclass(frozen=True, slots=True)
class StackSpec:
    """All services of one project."""

    project: str
    host: str
    """Address that public ports bind, e.g. "127.0.0.1"."""
    services: tuple[ServiceSpec, ...]

    def service(self, name: str) -> ServiceSpec:
        """The service of that name; KeyError when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
