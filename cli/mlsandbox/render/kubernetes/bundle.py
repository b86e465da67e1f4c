"""What an export is made of: bundles of manifests. The base is one, each optional component is one, and overlays choose among them.

Manifests are plain data, as YAML has it. A component changes what is there by RFC 6902 operations, by further keys of a ConfigMap, or
by taking an object away: all three are said once, and written for Kustomize (`kustomize.py`) or applied here (`plain.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlsandbox.render.tree import RenderedFile

Manifest = dict[str, Any]
"""One object: apiVersion, kind, metadata, and what its kind has."""


@dataclass(frozen=True, slots=True)
class Config:
    """A ConfigMap whose name ends with a digest of what is in it, so that pods that use it are made anew when it changes."""

    name: str
    """Without the digest; manifests refer to it by this name."""
    data: Mapping[str, str]
    files: bool = False
    """Whether its keys are files, to be read as such in the tree; else they are variables."""


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """Further keys of a `Config`, or other values of those that it has."""

    name: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Patch:
    """Changes to one object."""

    kind: str
    name: str
    operations: tuple[Mapping[str, Any], ...]
    """RFC 6902: "op" is add, replace or remove, "path" a JSON pointer, "value" the value."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An object that is taken away."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """The base, or one component."""

    name: str
    summary: str
    """What it is for, one line."""
    objects: tuple[Manifest, ...] = ()
    """In the order in which they are written."""
    configs: tuple[Config, ...] = ()
    changes: tuple[ConfigChange, ...] = ()
    patches: tuple[Patch, ...] = ()
    removals: tuple[Removal, ...] = ()
    examples: tuple[RenderedFile, ...] = ()
    """Files that lie beside it and are not applied: "persistentvolume.yaml"."""
    todo: tuple[str, ...] = ()
    """What its user still has to do or to fill in, one sentence each."""
    after: tuple[str, ...] = ()
    """Names of components that it needs, and that are applied before it."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """One environment: a namespace, the components that it has, and what differs there."""

    name: str
    namespace: str
    components: tuple[str, ...] = ()
    """In the order in which they are applied."""
    changes: tuple[ConfigChange, ...] = ()
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a component cannot be had yet."""

    reason: str
    fix: str
    """What makes it possible."""


@dataclass(frozen=True, slots=True)
class Export:
    """All of it."""

    base: Bundle
    components: tuple[Bundle, ...]
    """Those that can be had; in the order in which they are applied."""
    overlays: tuple[Overlay, ...]
    missing: Mapping[str, Missing]
    """Components that cannot be had yet, and what they need."""
