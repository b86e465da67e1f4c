"""The environment of a pod's containers (pure): texts in a ConfigMap, and what refers to something in the pod itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlsandbox.assets import asset
from mlsandbox.render.config import WRITTEN
from mlsandbox.render.containers import ALWAYS, CONFIG, PACKAGED
from mlsandbox.render.kubernetes.bundle import Config
from mlsandbox.render.kubernetes.resolver import PodResolver
from mlsandbox.stack.spec import Asset, PackagedFile, ProgramEnvironment, ProjectFile, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env

SINK: Final = "SANDBOX_SINK_"
"""How variables begin that hold one sink."""
_HERE: Final = {Env.LOCAL_NAMES: "0"}
"""A service is asked by the names of its Service, which are many."""
_HOME: Final = {"HOME": "/tmp"}  # noqa: S108 - the container's own; the user of a pod has no home in an image


def config_name(name: str) -> str:
    """The ConfigMap with the variables of the pods of that name."""
    return f"{name}-config"


def files_name(name: str) -> str:
    """The ConfigMap with the configuration files of the pods of that name."""
    return f"{name}-files"


def sinks_name(name: str) -> str:
    """The ConfigMap with the sinks of a service that is in no pod of a model."""
    return f"{name}-sinks"


def sink_entries(spec: StackSpec, service: ServiceSpec) -> Mapping[str, str]:
    """What a service's SINKS are made of, each in a variable of its own that is empty until the component of that sink is there:
    "SANDBOX_SINK_FLUENTD" -> "fluentd=fluentd:24224".
    """
    if Env.SINKS not in service.env:
        return {}
    entries = PodResolver(spec, service).text(service.env[Env.SINKS]).split(",")
    return {f"{SINK}{entry.partition('=')[0].partition('~')[0].upper().replace('-', '_')}": entry for entry in entries}


def config_data(spec: StackSpec, services: Sequence[ServiceSpec]) -> dict[str, str]:
    """The variables that all containers of a pod, which run these services, have from its ConfigMap."""
    found: dict[str, str] = {}
    for service in services:
        found |= _texts(service)
        found |= dict.fromkeys(sink_entries(spec, service), "")
    differing = {name for name in found for each in services if _texts(each).get(name, found[name]) != found[name]}
    return {name: value for name, value in sorted(found.items()) if name not in differing}


def container_env(spec: StackSpec, service: ServiceSpec, name: str, shared: Mapping[str, str]) -> list[dict[str, Any]]:
    """The variables that one container has besides those of the ConfigMap."""
    resolver = PodResolver(spec, service)
    env: list[dict[str, Any]] = [{"name": each, "value": value} for each, value in sorted(_texts(service).items()) if each not in shared]
    env += [
        {"name": each, "value": resolver.text(value)}
        for each, value in sorted(service.env.items())
        if not isinstance(value, str) and each != Env.SINKS
    ]
    sinks = sink_entries(spec, service)
    # Stated once more, in front of what is made of them: a variable can refer to those before it.
    env += [{"name": each, "valueFrom": {"configMapKeyRef": {"name": config_name(name), "key": each}}} for each in sinks]
    if sinks:
        env.append({"name": Env.SINKS, "value": ",".join(f"$({each})" for each in sinks)})
    return env


def file_key(path: str) -> str:
    """The key of a configuration file in a ConfigMap, which has no folders."""
    return path.replace("/", "_")


def file_texts(spec: StackSpec, service: ServiceSpec) -> dict[str, str]:
    """A service's configuration files, by path, but for those that lie in the project or in a package, which are not at hand."""
    resolver = PodResolver(spec, service)
    found = {}
    for path, value in sorted(service.files.items()):
        match value:
            case Asset(asset_path):
                found[path] = asset(asset_path).replace(WRITTEN, CONFIG)
            case PackagedFile() | ProjectFile():
                continue
            case _:
                found[path] = resolver.text(value)
    return found


def files_config(name: str, texts: Mapping[str, str]) -> Config:
    """The ConfigMap that holds them."""
    return Config(files_name(name), {file_key(path): text for path, text in sorted(texts.items())}, files=True)


def _texts(service: ServiceSpec) -> dict[str, str]:
    """What is a text wherever the service runs; but for the version, which the package in the image says: images can be changed alone."""
    texts = {name: value for name, value in service.env.items() if isinstance(value, str) and name != Env.VERSION}
    if isinstance(service.environment, ProgramEnvironment):
        return texts
    here = {name: value for name, value in _HERE.items() if name in texts}
    return {**ALWAYS, **_HOME, **({} if service.package is None else PACKAGED), **texts, **here}
