"""A stack as containers: what every reference becomes inside of one, and what its environment is (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlsandbox.docker_host import ImageRef
from mlsandbox.render.config import FOLDER, config_files
from mlsandbox.render.processes import deciding
from mlsandbox.render.proxies import NO_PROXIES, proxy_variables
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import (
    Address,
    ConfigPath,
    DataFolder,
    Environment,
    Joined,
    ListenHost,
    ListenPort,
    PackagePath,
    ProgramEnvironment,
    SecretFile,
    ServiceSpec,
    StackSpec,
    Value,
)
from mlsandbox_serving.contract import Env

CONFIG: Final = "/etc/sandbox"
"""Also how files of the top-level folders write it: they are the same here."""
SECRETS: Final = "/run/secrets"
PACKAGE: Final = "/home/bentoml/bento"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - inside of a container; what is reached from outside is published, on loopback
ALWAYS: Final = {"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}
PACKAGED: Final = {"PYTHONPATH": f"{PACKAGE}/src", "BENTOML_HOME": "/tmp/bentoml"}  # noqa: S108 - the container's own
_OF_THIS_MACHINE: Final = frozenset({"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"})
"""Decide how a model computes, and mean nothing inside of a container."""


@dataclass(frozen=True, slots=True)
class ContainerPlaces:
    """Where things lie, and what else differs from one machine to the next."""

    root: Path
    """The project's folder, absolute."""
    images: Mapping[Environment, ImageRef]
    """The image of each environment."""
    stack_id: str
    secrets_group: int
    """Group of the files in `.sandbox/secrets`, which it may read."""
    environ: Mapping[str, str]
    """The caller's environment; a chosen few variables are passed on."""
    proxy: str = ""
    """`[stack] proxy`."""
    override: str = ""
    """Text of the user's own Compose file, which is laid over ours."""
    packages: Mapping[str, Path] = field(default_factory=dict)
    """The folder of each package (bento), by tag."""


def render_container_config(spec: StackSpec, places: ContainerPlaces) -> tuple[RenderedFile, ...]:
    """The configuration files that the containers read, relative to `.sandbox/stack`."""
    return config_files(
        spec, lambda service, value: ContainerResolver(spec, service).text(value), root=places.root, packages=places.packages
    )


def config_folder(places: ContainerPlaces, service: ServiceSpec) -> Path:
    """What is mounted at CONFIG."""
    return places.root / ".sandbox/stack" / FOLDER / service.name


def secret_file(places: ContainerPlaces, name: str) -> Path:
    """What is mounted below SECRETS."""
    return places.root / ".sandbox/secrets" / name


def container_environment(spec: StackSpec, service: ServiceSpec, places: ContainerPlaces) -> dict[str, str]:
    """The variables of a service, by name; nothing of the caller's but threads, time zone and proxies, and that for our own alone."""
    resolver = ContainerResolver(spec, service)
    stated = {name: resolver.text(value) for name, value in service.env.items()}
    if isinstance(service.environment, ProgramEnvironment):
        return {**stated, **NO_PROXIES}
    return {
        **{name: value for name, value in sorted(deciding(places.environ).items()) if name not in _OF_THIS_MACHINE},
        **proxy_variables(places.environ, places.proxy, [each.name for each in spec.services]),
        **ALWAYS,
        **({} if service.package is None else PACKAGED),
        **stated,
        Env.SERVICE: service.name,
        Env.STACK_ID: places.stack_id,
    }


class ContainerResolver:
    """Turns the references of one service into texts."""

    def __init__(self, spec: StackSpec, service: ServiceSpec, *, hosts: Mapping[str, str] | None = None, secrets: str = SECRETS) -> None:
        """Resolve for one service.

        Args:
            spec: its stack.
            service: of the stack.
            hosts: where services are reached, by name; without it each one at its name.
            secrets: the folder of secrets.
        """
        self._spec = spec
        self._service = service
        self._hosts = hosts
        self._secrets = secrets

    def text(self, value: Value) -> str:
        match value:
            case str():
                return value
            case Address(service, port):
                return f"{service if self._hosts is None else self._hosts[service]}:{self._spec.service(service).port(port).number}"
            case ListenHost():
                return _EVERYWHERE
            case ListenPort(port):
                return str(self._service.port(port).number)
            case Joined(parts):
                return "".join(self.text(part) for part in parts)
            case _:
                return self._path(value)

    def _path(self, value: DataFolder | SecretFile | ConfigPath | PackagePath) -> str:
        match value:
            case DataFolder(mount=mount):
                return mount
            case SecretFile(name):
                return f"{self._secrets}/{name}"
            case ConfigPath(relative):
                return _below(CONFIG, relative)
            case PackagePath(relative):
                if self._service.package is None:
                    raise KeyError(f"{self._service.name} refers to a package and names none")
                return _below(PACKAGE, relative)


def _below(folder: str, relative: str) -> str:
    return f"{folder}/{relative}" if relative else folder
