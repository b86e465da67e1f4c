"""What the exports of single parts have in common: what is asked for, what comes of it, and where the stack is."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from mlsandbox import docker_host
from mlsandbox.actions.engine_choice import AUTO, DOCKER
from mlsandbox.actions.export_stack import LICENCE
from mlsandbox.actions.project_stack import parts_of
from mlsandbox.packaging.images_catalog import check_overrides, reference
from mlsandbox.project import Project
from mlsandbox.render.ejected_texts import Written
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.build import port_names
from mlsandbox.stack.parts import NATIVE
from mlsandbox.stack.ports import Availability, Machine, allocate
from mlsandbox.state import load_state

_FREE: Final = Machine(lambda _: Availability.FREE, lambda _: None)
"""No machine in particular: an export looks the same wherever it is made."""


@dataclass(frozen=True, slots=True)
class EjectOptions:
    """What was asked for."""

    images: Mapping[str, str] = field(default_factory=dict)
    """By `export_compose.ejected_image_keys`: used as they are, in place of what `up` builds or pulls."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """By model: what a named image holds ("v3")."""
    alibi_accepted: bool = False
    """Whether alibi-detect's licence was accepted by name: it is in no export otherwise."""
    folder: str = ""
    """As the command that writes the same again has it; empty: the usual one."""

    def of(self, program: str) -> EjectOptions:
        """As far as they are about one program of others."""
        return EjectOptions({key: image for key, image in self.images.items() if key == program}, folder=self.folder)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the stack, by itself."""

    name: str
    files: tuple[RenderedFile, ...]
    notes: tuple[str, ...] = ()
    """What is to be said of it."""
    opened: tuple[str, ...] = ()
    """Folders that containers must be able to read, whatever the umask was."""


@dataclass(frozen=True, slots=True)
class Where:
    """A stack as this machine sees it."""

    engine: str
    host: str
    ports: Mapping[str, int]
    parts: frozenset[str]


def default_ports(project: Project, parts: frozenset[str]) -> Mapping[str, int]:
    """Those of a machine on which all are free, but for what sandbox.toml pins."""
    names = port_names(tuple(project.models), parts)
    return _numbered(project, names, {})


def where_it_is(project: Project) -> Where:
    """The stack as it was started last; without any, as the first `up` would start it where all ports are free."""
    remembered = load_state(project.state_dir).state
    models = tuple(project.models)
    if remembered.ports and remembered.engine:
        possible = parts_of(project, remembered.engine, NATIVE)
        there = frozenset(part for part in possible if set(port_names(models, {part})) <= remembered.ports.keys())
        return Where(remembered.engine, remembered.host or project.stack.host, remembered.ports, there)
    asked = project.stack.engine
    engine = asked if asked != AUTO else DOCKER if docker_host.answers() else "embedded"
    parts = parts_of(project, engine, ())
    return Where(engine, project.stack.host, default_ports(project, parts), parts)


def with_ports(project: Project, where: Where, parts: Collection[str], chosen: Mapping[str, int]) -> Mapping[str, int]:
    """A number for every port of these parts: those of the stack, but for the chosen ones."""
    names = port_names(tuple(project.models), parts)
    return {**_numbered(project, names, where.ports), **chosen}


def program_image(project: Project, key: str, options: EjectOptions) -> str:
    """The image of a program that others publish, whether it is here or not.

    Raises:
        ConfigInvalid: `[stack.images]` is wrong.
    """
    check_overrides(project.stack.images)
    return options.images.get(key) or reference(key, overrides=project.stack.images, registry=project.stack.registry)


def written_by(part: str, options: EjectOptions) -> Written:
    """The command that writes the same again, whatever the order of its options was."""
    words = [options.folder] if options.folder else []
    words += [f"--image={key}={options.images[key]}" for key in sorted(options.images)]
    words += [f"--version={name}={options.versions[name]}" for name in sorted(options.versions)]
    words += [f"--accept-license={LICENCE}"] if options.alibi_accepted else []
    return Written(version("mlsandbox"), " ".join(("sandbox export", part, *map(shlex.quote, words))))


def _numbered(project: Project, names: tuple[str, ...], previous: Mapping[str, int]) -> Mapping[str, int]:
    pinned = {} if previous else project.stack.ports
    return allocate(names, pinned=pinned, previous=previous, reserved={}, ours=(), machine=_FREE).ports
