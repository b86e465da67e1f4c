"""What a component is, and what it is made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from mlsandbox.stack.spec import ModelEnvironment, PackagedFile, PortSpec, ProjectFile, Reach, ServiceSpec
from mlsandbox_serving.contract import DriftEngine, Port

_VERSIONED: Final = re.compile(rf"(?P<front>{Port.API}(-.+)?)-(?P<version>v[0-9]+)")


class Role(StrEnum):
    """What a version does in a stack."""

    CHAMPION = "champion"
    """It answers."""
    CHALLENGER = "challenger"
    """It is tried beside the champion."""
    STANDBY = "standby"
    """It was the champion before, and runs to be gone back to at once."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a challenger gets of the champion's requests."""

    percent: float = 0.0
    """Of the requests, 0 to 100: it answers these."""
    shadow: bool = False
    """Whether it sees a copy of all of them; its answers go nowhere then."""


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """One version of a model of the project, packaged, with its settings: the champion, and what runs beside it."""

    name: str
    version: str
    """"v3"."""
    package: str
    """Tag, "churn:v3"."""
    lock: Path
    lock_digest: str
    python: str
    """Minor version, "3.11"."""
    workers: int = 1
    max_body_bytes: int = 10_000_000
    max_rows: int = 100_000
    timeout_seconds: float = 30.0
    max_concurrency: int = 256
    memory_bytes: int = 4 * 1024**3
    has_hashed_columns: bool = False
    latency_p95_seconds: float = 0.05
    availability: float = 0.999
    role: Role = Role.CHAMPION
    share: Share | None = None
    """Of a challenger."""
    beside: tuple[ModelInputs, ...] = ()
    """Of the champion: the other versions that run."""
    profile: Mapping[str, PackagedFile | ProjectFile] = field(default_factory=dict)
    """What live rows are compared with: the files of `contract.ProfileFile` that there are, by name; none without a reference."""

    @property
    def environment(self) -> ModelEnvironment:
        return ModelEnvironment(self.lock_digest, self.python, self.lock)

    @property
    def versions(self) -> tuple[ModelInputs, ...]:
        """All that run of this model, in the order of their numbers: who answers changes nothing in what is made of them."""
        return tuple(sorted((self, *self.beside), key=lambda each: version_number(each.version)))

    @property
    def newest(self) -> ModelInputs:
        """Of those that run: its package brings the code of what is there once for all of them."""
        return self.versions[-1]

    @property
    def challenger(self) -> ModelInputs | None:
        """The version that is tried beside this one."""
        return next((each for each in self.beside if each.role is Role.CHALLENGER), None)


@dataclass(frozen=True, slots=True)
class StackInputs:
    """All that a stack is built from."""

    project: str
    host: str
    models: tuple[ModelInputs, ...]
    """The first one has the plain names ("api"); each further one has its name behind them ("api-churn")."""
    ports: Mapping[str, int]
    """For each of `port_names` its number."""
    parts: frozenset[str]
    """Names of the components that it has: `parts.chosen_parts`."""
    fronts: bool = False
    """Whether versions change behind one address: each version is a service of its own then, and the model's port is its front's."""
    api_keys: bool = False
    """Whether the model services ask for one."""
    log_inputs: bool = True
    log_retention_seconds: float = 604_800.0
    spool_bytes: int = 1_000_000_000
    max_rows_per_event: int = 1_000
    drift_engines: tuple[str, ...] = (DriftEngine.NATIVE,)
    drift_engines_off: Mapping[str, str] = field(default_factory=dict)
    """Engines that were asked for and cannot be had here, and why."""
    drift_detectors: tuple[Mapping[str, object], ...] = ()
    """Further detectors of alibi-detect, as the drift service takes them."""
    drift_rows_between_false_alarms: int = 1_000_000
    drift_flag_rows: bool = False

    def named(self, base: str, model: ModelInputs) -> str:
        """The name of a service or port of one model."""
        return suffixed(base, [each.name for each in self.models], model.name)

    def service_of(self, base: str, model: ModelInputs) -> str:
        """The name of the service that one version is."""
        named = self.named(base, model)
        return versioned(named, model.version) if self.fronts else named

    def port(self, name: str, reach: Reach = Reach.STACK) -> PortSpec:
        return PortSpec(name, self.ports[name], reach)


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of service."""

    name: str
    ports: Callable[[Sequence[str]], tuple[str, ...]]
    """Names of the ports it needs, given the names of the models."""
    services: Callable[[StackInputs, Sequence[ServiceSpec]], tuple[ServiceSpec, ...]]
    """Given what the stack is made from, and the services of the components before it in COMPONENTS."""


def suffixed(base: str, models: Sequence[str], model: str) -> str:
    """`base` for the first model, `base-<model>` for the others."""
    return base if model == models[0] else f"{base}-{model}"


def version_number(version: str) -> int:
    """The number of "v3"; 0 of what is no version of ours."""
    number = version.removeprefix("v")
    return int(number) if number.isdecimal() else 0


def versioned(front: str, version: str) -> str:
    """The name of the service that answers for a front with one version: "api-v2", "api-churn-v2"."""
    return f"{front}-{version}"


def unversioned(service: str) -> tuple[str, str] | None:
    """The front and the version of a service that is one: ("api-churn", "v2") of "api-churn-v2"; None of every other service."""
    found = _VERSIONED.fullmatch(service)
    return (found["front"], found["version"]) if found else None


def direct(service: str) -> str:
    """The name of the port at which one version is asked by itself, whoever answers for its front."""
    return f"direct-{service}"


def per_model(*bases: str) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """The ports of a component that exists once per model."""
    return lambda models: tuple(suffixed(base, models, model) for model in models for base in bases)
