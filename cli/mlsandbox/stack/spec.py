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
    """For a service that runs once: it has ended well."""


class Reach(StrEnum):
    """Who may reach a port."""

    STACK = "stack"
    """Other services alone: never published by a container."""
    MACHINE = "machine"
    """Users of this machine: published on loopback."""
    PUBLIC = "public"
    """Whoever `[stack] host` admits."""


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
    """A folder that outlives the service, shared by every service that names it (a named volume in containers)."""

    name: str
    mount: str
    """Where it lies in a container: a path that the image has, owned by the image's user, so that a new volume is that user's too."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Path of a generated secret (0600)."""

    name: str


@dataclass(frozen=True, slots=True)
class ConfigPath:
    """A path below the service's own configuration files; "" is their folder."""

    relative: str = ""


@dataclass(frozen=True, slots=True)
class PackagePath:
    """A path inside the model's package; "" is the package itself (the bento)."""

    relative: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """Several values written one after the other, as in "log-store=" + address."""

    parts: tuple[str | Address | ListenHost | ListenPort | DataFolder | SecretFile | ConfigPath | PackagePath, ...]


Reference = Address | ListenHost | ListenPort | DataFolder | SecretFile | ConfigPath | PackagePath | Joined
Value = str | Reference


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the top-level folders (`prometheus/`, `grafana/`, `fluentd/`, `compose/`), as it is: "prometheus/prometheus.yml"."""

    path: str


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of a model's package, byte for byte."""

    package: str
    """Tag of the package, "churn:v3"."""
    path: str
    """As in `PackagePath`."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file of the project, byte for byte."""

    path: str
    """Relative to the project's folder, with "/"."""


StoredFile = Asset | PackagedFile | ProjectFile
"""A file that is there already."""


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A port that a service listens on."""

    name: str
    """Unique in the stack; a value of `contract.Port`, with the model's name behind it for further models ("api-churn")."""
    number: int
    """The number on this machine, and in a container too."""
    reach: Reach = Reach.STACK

    @property
    def public(self) -> bool:
        """It follows `[stack] host`."""
        return self.reach is Reach.PUBLIC


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP GET that answers 200 when all is well."""

    port: str
    path: str
    period: float = 0.2
    """Seconds between two tries while starting; ten times as long once ready."""
    identified: bool = True
    """Its answer names the stack's id, as our own services' do; programs of others answer in their own words."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """Where Prometheus finds a service's metrics."""

    port: str
    path: str = "/metrics"
    labels: Mapping[str, str] = field(default_factory=dict)
    """Added to every series of this target."""


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


@dataclass(frozen=True, slots=True)
class ProgramEnvironment:
    """A program that others publish: its official image, or, where it has one, a command of this machine."""

    image: str
    """Key in `compose/images.toml`."""
    command: str | None = None
    """Its name on PATH; None: it runs in containers only."""


Environment = ModelEnvironment | ServiceEnvironment | ProgramEnvironment


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: what to run, with what, and how to know that it is well."""

    name: str
    environment: Environment
    args: tuple[Value, ...]
    """Arguments after the environment's Python, e.g. ("-m", "mlsandbox_serving.spool.shipper"), or after the program."""
    native_args: tuple[Value, ...] | None = None
    """Those of a program that runs as a child process, in the folder of its configuration, when they are others than in its image."""
    env: Mapping[str, Value] = field(default_factory=dict)
    files: Mapping[str, StoredFile | Value] = field(default_factory=dict)
    """Its configuration: path below `ConfigPath()` -> what is in it; read-only for the service."""
    live: tuple[str, ...] = ()
    """Of these files the ones that it reads again by itself: it goes on when they change."""
    ports: tuple[PortSpec, ...] = ()
    metrics: Scrape | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None
    """None of a service that runs once: ready is when it has ended well."""
    runs_once: bool = False
    scratch: tuple[str, ...] = ()
    """Further paths in a container, besides /tmp, that must be writable and may be forgotten."""
    runs_from_tmp: bool = False
    """It loads libraries that it has written to /tmp."""
    needs: Mapping[str, Condition] = field(default_factory=dict)
    resources: Resources = Resources()
    stop_grace: float = 10.0
    """Seconds between the polite and the forceful end."""
    package: str | None = None
    """Tag of the package whose files `PackagePath` means, "churn:v3"; it also brings the served code."""
    component: str = ""
    """Name of the component that it belongs to; `build_stack` fills it in."""
    front: str = ""
    """Name of the front that it may answer for; empty of a service that is only asked at its own ports."""

    def port(self, name: str) -> PortSpec:
        """The port of that name; KeyError when there is none."""
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(f"{self.name} has no port {name}")

    def references(self) -> tuple[Value, ...]:
        """Every value that the service is described by, with the parts of joined ones in their place."""
        values = (*self.args, *(self.native_args or ()), *self.env.values(), *self.files.values())
        return tuple(
            part for each in values if not isinstance(each, StoredFile) for part in (each.parts if isinstance(each, Joined) else (each,))
        )


@dataclass(frozen=True, slots=True)
class Front:
    """Where a model is asked, whichever version of it answers: it stays when versions change behind it."""

    port: PortSpec
    """Its name is the front's."""
    service: str
    """Who answers now."""
    target: str
    """Name of the port at which that service is asked by itself."""

    @property
    def name(self) -> str:
        """The name of its port: "api", "api-churn"."""
        return self.port.name


@dataclass(frozen=True, slots=True)
class StackSpec:
    """All services of one project."""

    project: str
    host: str
    """Address that public ports bind, e.g. "127.0.0.1"."""
    services: tuple[ServiceSpec, ...]
    fronts: tuple[Front, ...] = ()
    """One per model, where versions change behind one address; none in what is exported: a cluster has its own."""

    def service(self, name: str) -> ServiceSpec:
        """The service of that name; KeyError when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def references(self) -> tuple[Value, ...]:
        """Every value of every service, with the parts of joined ones in their place."""
        return tuple(each for service in self.services for each in service.references())

    @property
    def data_folders(self) -> tuple[str, ...]:
        """Names of all data folders that the stack refers to, sorted."""
        return tuple(sorted({each.name for each in self.references() if isinstance(each, DataFolder)}))

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Names of all secrets that the stack refers to, sorted."""
        return tuple(sorted({each.name for each in self.references() if isinstance(each, SecretFile)}))
