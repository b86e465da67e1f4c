"""Parts of a stack in folders of their own (pure): what `docker compose` runs there without the tool, rendered as `up` renders it.

Such a folder may go to another machine. So nothing in it names a path of this one; ports that are published can be chosen by variables;
and it has no label of ours and another name than the stack, lest `sandbox` or Compose take the one's containers for the other's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.docker_host import ImageRef
from mlsandbox.render.compose import COMPOSE_FILE, compose_document
from mlsandbox.render.config import FOLDER, config_files
from mlsandbox.render.containers import CONFIG, ContainerPlaces, ContainerResolver, render_container_config
from mlsandbox.render.tree import RenderedFile
from mlsandbox.render.yaml_text import yaml_text
from mlsandbox.stack.hosts import LOOPBACK, bound_at, bracketed, reached_at
from mlsandbox.stack.spec import Address, Reach, ServiceSpec, StackSpec, Value
from mlsandbox_serving.contract import Env

OURS: Final = "mlsandbox/"
"""How the names of images begin that are built here, and that no registry has."""
HOST: Final = "SANDBOX_HOST"
_SECRETS: Final = "./secrets"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - as containers bind
_NAMES_ITS_PORT: Final = ("--web.external-url=", "--web.cors.origin=")
"""Options that say by which port of this machine a program is reached."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What may be chosen in `.env`."""

    name: str
    default: str
    what: str
    """What it is, for `.env.example`."""

    def __str__(self) -> str:
        return f"${{{self.name}:-{self.default}}}"


@dataclass(frozen=True, slots=True)
class Ejected:
    """A Compose file and the files that its containers read."""

    files: tuple[RenderedFile, ...]
    variables: tuple[Variable, ...]
    secrets: tuple[str, ...]
    built: tuple[str, ...]
    """Names of images that are built by `sandbox`, and that no registry has."""


def eject_stack(spec: StackSpec, places: ContainerPlaces, *, header: str, asks_for_keys: bool) -> Ejected:
    """The whole stack.

    Args:
        spec: the stack.
        places: where its images and packages lie; nothing else of it is seen in the result.
        header: comment at the beginning of the Compose file.
        asks_for_keys: whether the models may be reached from other machines, that is: whether the host can be chosen.

    Raises:
        OSError: a file of a package or of the project is not there.
    """
    document = compose_document(spec, places, {})
    document["name"] = f"{spec.project}-compose"
    variables = {port.name: _port_variable(port.name, port.number) for service in spec.services for port in service.ports}
    host = Variable(HOST, bound_at(spec.host), "address that models are reached at; 0.0.0.0: by other machines too")
    used: list[Variable] = [host] if asks_for_keys else []
    for service in spec.services:
        entry = document["services"][service.name]
        _strip(entry)
        entry["volumes"] = [_moved(mount, f"./{FOLDER}/{service.name}") for mount in entry.get("volumes", ())]
        published = [port for port in service.ports if port.reach is not Reach.STACK]
        entry["ports"] = [
            {
                "host_ip": str(host) if port.public and asks_for_keys else bound_at(spec.host) if port.public else LOOPBACK,
                "published": str(variables[port.name]),
                "target": port.number,
            }
            for port in published
        ]
        for port in published:
            used.append(variables[port.name])
            _exchange(entry, str(port.number), str(variables[port.name]), only=_NAMES_ITS_PORT)
        _drop_empty(entry)
    _let_wait_for_what_runs_once(spec, document["services"])
    _strip_top(document)
    compose = _compose(header, document, used)
    return Ejected((compose, *render_container_config(spec, places)), tuple(used), spec.secret_names, _built(document))


def eject_program(spec: StackSpec, name: str, image: str, *, header: str, environment: Mapping[str, Variable] | None = None) -> Ejected:
    """One program of others, on the network of the machine that it runs on: so it reaches what listens on loopback there.

    Args:
        spec: a stack that has it; the others are where this machine has them.
        name: of the service.
        image: what it runs from.
        header: comment at the beginning of the Compose file.
        environment: variables of the program that may be chosen.
    """
    service = spec.service(name)
    alone = StackSpec(spec.project, spec.host, (service,))
    chosen = dict(environment or {})
    images = {each.environment: ImageRef(image, "") for each in spec.services}  # the others are looked up, and not kept
    document = compose_document(spec, ContainerPlaces(Path(), images, stack_id="", secrets_group=0, environ={}), {})
    entry = document["services"][name]
    _strip(entry)
    for each in ("networks", "ports", "hostname", "depends_on"):
        entry.pop(each, None)
    entry = {"image": entry.pop("image"), "network_mode": "host", **entry}
    tops = sorted({path.partition("/")[0] for path in service.files})
    binds = [{"type": "bind", "source": f"./{top}", "target": f"{CONFIG}/{top}", "read_only": True} for top in tops]
    volumes = [mount for mount in entry.get("volumes", ()) if mount["type"] == "volume"]
    entry["volumes"] = [*volumes, *({**bind, "bind": {"create_host_path": False}} for bind in binds)]
    _exchange(entry, _EVERYWHERE, LOOPBACK)
    ports = [_port_variable(port.name, port.number) for port in service.ports]
    for port, variable in zip(service.ports, ports, strict=True):
        _exchange(entry, str(port.number), str(variable))
    entry["environment"] |= {variable: str(each) for variable, each in chosen.items()}
    _drop_empty(entry)
    names = alone.data_folders
    document = {
        "name": f"{spec.project}-{name}",
        "services": {name: entry},
        "volumes": dict.fromkeys(names),
        "secrets": {each: document["secrets"][each] for each in alone.secret_names},
    }
    _strip_top(document)
    variables = (*chosen.values(), *ports)
    files = config_files(alone, lambda each, value: _HostResolver(spec, each).text(value), root=Path(), packages={})
    prefix = f"{FOLDER}/{name}/"
    own = tuple(RenderedFile(file.path.removeprefix(prefix), file.content) for file in files)
    return Ejected((_compose(header, document, variables), *own), variables, alone.secret_names, _built(document))


class _HostResolver(ContainerResolver):
    """Others are where this machine reaches them."""

    def __init__(self, spec: StackSpec, service: ServiceSpec) -> None:
        super().__init__(spec, service)
        self._stack = spec

    def text(self, value: Value) -> str:
        if isinstance(value, Address):
            port = self._stack.service(value.service).port(value.port)
            return f"{bracketed(reached_at(self._stack.host) if port.public else LOOPBACK)}:{port.number}"
        return super().text(value)


def _port_variable(name: str, number: int) -> Variable:
    word = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return Variable(f"SANDBOX_{word}_PORT", str(number), f"port of {name} on this machine")


def _strip(entry: dict[str, Any]) -> None:
    """Take away what belongs to one machine, and by which `sandbox` knows its own."""
    del entry["labels"]
    entry.pop("group_add", None)  # of the secrets' group here; README.md says which permissions they need
    entry.get("environment", {}).pop(Env.STACK_ID, None)
    if not entry["image"].startswith(OURS):
        entry.pop("pull_policy")


def _strip_top(document: dict[str, Any]) -> None:
    for network in document.get("networks", {}).values():
        del network["labels"]
    if document.get("volumes"):
        document["volumes"] = {name: {} for name in document["volumes"]}
    if document.get("secrets"):
        document["secrets"] = {name: {"file": f"{_SECRETS}/{name}"} for name in document["secrets"]}
    _drop_empty(document)


def _moved(mount: dict[str, Any], source: str) -> dict[str, Any]:
    return {**mount, "source": source} if mount["type"] == "bind" else mount


def _drop_empty(entry: dict[str, Any]) -> None:
    for name in [name for name, value in entry.items() if value in ([], {}, None)]:
        del entry[name]


def _exchange(entry: dict[str, Any], old: str, new: str, *, only: tuple[str, ...] = ("",)) -> None:
    """Put `new` in the place of a whole number or address in all texts that begin as `only` says."""
    whole = re.compile(rf"(?<![\d.]){re.escape(old)}(?![\d.])")

    def changed(text: str) -> str:
        return whole.sub(lambda _: new, text) if text.startswith(only) else text

    entry["command"] = [changed(text) for text in entry.get("command", ())]
    entry["environment"] = {name: changed(text) for name, text in entry.get("environment", {}).items()}
    if "healthcheck" in entry:
        entry["healthcheck"] = {**entry["healthcheck"], "test": [changed(text) for text in entry["healthcheck"]["test"]]}


def _let_wait_for_what_runs_once(spec: StackSpec, services: dict[str, dict[str, Any]]) -> None:
    """Have something need each service that runs once: to `docker compose up --wait` one that ends unasked for has failed.

    It is one that nobody else needs, so that no prediction waits for it.
    """
    needed = {name for service in spec.services for name in service.needs}
    for once in (service.name for service in spec.services if service.runs_once and service.name not in needed):
        leaves = [each for each in spec.services if each.name not in needed and not each.runs_once]
        leaf = min(leaves, key=lambda each: any(port.public for port in each.ports)).name
        services[leaf].setdefault("depends_on", {})[once] = {"condition": "service_completed_successfully"}


def _compose(header: str, document: dict[str, Any], variables: tuple[Variable, ...] | list[Variable]) -> RenderedFile:
    text = yaml_text(document)
    for variable in variables:  # the only `$` that is Compose's
        text = text.replace(f"${variable}", str(variable))
    return RenderedFile(COMPOSE_FILE, header + text)


def _built(document: dict[str, Any]) -> tuple[str, ...]:
    def names() -> Iterator[str]:
        for entry in document["services"].values():
            if entry["image"].startswith(OURS):
                yield entry["image"]

    return tuple(dict.fromkeys(names()))
