"""A stack as a Compose file (pure): one document that `docker compose` runs as it lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlsandbox.render.config import config_digest
from mlsandbox.render.containers import (
    CONFIG,
    ContainerPlaces,
    ContainerResolver,
    config_folder,
    container_environment,
    secret_file,
)
from mlsandbox.render.health import healthcheck
from mlsandbox.render.tree import RenderedFile
from mlsandbox.render.yaml_text import yaml_text
from mlsandbox.stack.hosts import LOOPBACK, bound_at, bracketed
from mlsandbox.stack.spec import (
    Condition,
    DataFolder,
    ModelEnvironment,
    PortSpec,
    ProgramEnvironment,
    Reach,
    SecretFile,
    ServiceSpec,
    StackSpec,
)
from mlsandbox_serving.contract import Env

COMPOSE_FILE: Final = "compose.yaml"


class Label:
    """Labels of what belongs to a stack; containers have all, networks and volumes have ROOT."""

    ROOT: Final = "org.mlsandbox.root"
    """The project's folder."""
    SERVICE: Final = "org.mlsandbox.service"
    COMPONENT: Final = "org.mlsandbox.component"
    DIGEST: Final = "org.mlsandbox.digest"
    """Names what the container was made from: `container_digests`."""


FRONT: Final = "front"
BACK: Final = "back"
HEADER: Final = """\
# Written by `sandbox up`, and written anew by the next one: changes belong in sandbox.toml, or in compose.override.yaml beside it.
# By hand, from the project's folder: docker compose -f .sandbox/stack/compose.yaml ps
"""
_NO_ADDRESS_HERE: Final = {"com.docker.network.bridge.inhibit_ipv4": "true"}
"""Otherwise this machine has an address on an internal network too: every account reaches what listens there, and it reaches us."""
_PIDS: Final = 1_024
_MODEL_PIDS: Final = 4_096
"""Threads count: workers times cores times the libraries that have a pool each."""
_LOGGING: Final = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


def render_compose(spec: StackSpec, places: ContainerPlaces, config: Sequence[RenderedFile]) -> RenderedFile:
    """The Compose file.

    Args:
        spec: the stack.
        places: where its images and files lie.
        config: what `render_container_config` gives.

    Raises:
        KeyError: an environment that `places` has no image for.
    """
    document = compose_document(spec, places, container_digests(spec, places, config))
    return RenderedFile(COMPOSE_FILE, HEADER + yaml_text(document))


def compose_document(spec: StackSpec, places: ContainerPlaces, digests: Mapping[str, str]) -> dict[str, Any]:
    """What the Compose file says; `digests` are those of `container_digests`, or none."""
    owner = {Label.ROOT: str(places.root)}
    document: dict[str, Any] = {
        "name": spec.project,
        "services": {service.name: _service(spec, service, places, digests.get(service.name, "")) for service in spec.services},
        "networks": {
            FRONT: {"driver": "bridge", "labels": owner},
            BACK: {"driver": "bridge", "driver_opts": _NO_ADDRESS_HERE, "internal": True, "labels": owner},
        },
    }
    if spec.data_folders:
        document["volumes"] = {name: {"name": volume_name(spec, name), "labels": owner} for name in spec.data_folders}
    if spec.secret_names:
        document["secrets"] = {name: {"file": str(secret_file(places, name))} for name in spec.secret_names}
    return document


def volume_name(spec: StackSpec, folder: str) -> str:
    """The volume of a data folder, as Compose itself would name it."""
    return f"{spec.project}_{folder}"


def container_recipes(spec: StackSpec, places: ContainerPlaces, config: Sequence[RenderedFile]) -> Mapping[str, Mapping[str, str]]:
    """What each service's container is made from, flat, to be able to say what changed; the stack's id is no part of it.

    All that Compose itself makes a container anew for is in it, so that a container whose digest is the same is left alone by both.
    """
    return {service.name: _recipe(spec, service, places, config) for service in spec.services}


def container_digests(spec: StackSpec, places: ContainerPlaces, config: Sequence[RenderedFile]) -> Mapping[str, str]:
    """Names what each service's container is made from: one with another label is made anew."""
    return {
        name: hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
        for name, recipe in container_recipes(spec, places, config).items()
    }


def _recipe(spec: StackSpec, service: ServiceSpec, places: ContainerPlaces, config: Sequence[RenderedFile]) -> dict[str, str]:
    description = _service(spec, service, places, digest="")
    variables = description.pop("environment", {})
    variables.pop(Env.STACK_ID, None)
    del description["labels"], description["pull_policy"]
    return {
        **{_said(name): value if isinstance(value, str) else json.dumps(value, sort_keys=True) for name, value in description.items()},
        "image id": places.images[service.environment].id,
        "configuration": config_digest(config, service) or "none",
        "override": hashlib.sha256(places.override.encode()).hexdigest()[:16] if places.override else "none",
        **variables,
    }


def _said(name: str) -> str:
    return {"mem_limit": "memory cap"}.get(name, name.replace("_", " "))


def _service(spec: StackSpec, service: ServiceSpec, places: ContainerPlaces, digest: str) -> dict[str, Any]:
    """One entry of `services`; what is empty is left out."""
    program = isinstance(service.environment, ProgramEnvironment)
    resolver = ContainerResolver(spec, service)
    secrets = sorted({each.name for each in service.references() if isinstance(each, SecretFile)})
    entry: dict[str, Any] = {
        "image": places.images[service.environment].reference,
        "pull_policy": "never",  # `sandbox up` and `sandbox pull` see to it; a name of ours must never be looked up anywhere
        "hostname": service.name,
        "init": None if program else True,
        "entrypoint": None if program else ["python"],
        "command": [resolver.text(value) for value in service.args],
        "environment": container_environment(spec, service, places),
        "depends_on": {name: {"condition": _condition(spec, name, condition)} for name, condition in service.needs.items()},
        "ports": [_published(spec, port) for port in service.ports if port.reach is not Reach.STACK],
        "networks": [FRONT, BACK] if _goes_out(service) else [BACK],
        "volumes": _mounts(service, places),
        "secrets": secrets,
        "group_add": [str(group) for group in dict.fromkeys((places.secrets_group, 0))] if secrets else None,
        "tmpfs": _scratch(service),
        "healthcheck": healthcheck(service),
        "restart": "no" if service.runs_once else "unless-stopped",
        "stop_grace_period": f"{service.stop_grace:.15g}s",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": _bytes(service.resources.memory_bytes),
        "cpus": service.resources.cpus,
        "pids_limit": _MODEL_PIDS if isinstance(service.environment, ModelEnvironment) else _PIDS,
        "logging": _LOGGING,
        "labels": {
            Label.ROOT: str(places.root),
            Label.SERVICE: service.name,
            Label.COMPONENT: service.component,
            Label.DIGEST: digest,
        },
    }
    return {name: value for name, value in entry.items() if value not in (None, [], {})}


def _condition(spec: StackSpec, needed: str, condition: Condition) -> str:
    if condition is Condition.STARTED:
        return "service_started"
    service = spec.service(needed)
    if service.runs_once:
        return "service_completed_successfully"
    return "service_started" if healthcheck(service) is None else "service_healthy"


def _published(spec: StackSpec, port: PortSpec) -> str:
    host = bound_at(spec.host) if port.public else LOOPBACK
    return f"{bracketed(host)}:{port.number}:{port.number}"


def _goes_out(service: ServiceSpec) -> bool:
    """It is reached from outside, or may be by way of its front: code of a user's, which may ask others for what it needs."""
    return bool(service.front) or any(port.reach is not Reach.STACK for port in service.ports)


def _mounts(service: ServiceSpec, places: ContainerPlaces) -> list[dict[str, Any]]:
    folders = {each.name: each.mount for each in service.references() if isinstance(each, DataFolder)}
    mounts: list[dict[str, Any]] = [{"type": "volume", "source": name, "target": mount} for name, mount in sorted(folders.items())]
    if service.files:
        source = str(config_folder(places, service))
        mounts.append({"type": "bind", "source": source, "target": CONFIG, "read_only": True, "bind": {"create_host_path": False}})
    return mounts


def _scratch(service: ServiceSpec) -> list[str]:
    """In memory, for every user, since an image's own is not known here; an engine mounts them with noexec unless told otherwise."""
    options = "mode=1777,exec" if service.runs_from_tmp else "mode=1777"
    return [f"/tmp:{options}", *(f"{path}:mode=1777" for path in service.scratch)]  # noqa: S108 - the container's own


def _bytes(number: int | None) -> str | None:
    if number is None:
        return None
    return f"{number // 1024**2}m" if number % 1024**2 == 0 else f"{number}b"
