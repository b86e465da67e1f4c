"""Which container images a stack uses, and by which names they are pulled (pure): `compose/images.toml`, as the project changes it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from mlsandbox.assets import asset
from mlsandbox.errors import ConfigInvalid

PYTHON: Final = "python"
"""Key of the base of all images that are built of Python."""
FLUENTD: Final = "fluentd"
"""Key of the image that is built on the official one, unless the project names its own."""
_MINOR: Final = "{minor}"


@dataclass(frozen=True, slots=True)
class CatalogImage:
    """One table of `compose/images.toml`."""

    key: str
    image: str
    """Name on Docker Hub with an exact version; `{minor}` stands for Python's."""
    licence: str
    use: str
    probe: str
    """"wget", "curl", "ruby" or "none": what can ask for an HTTP status in it."""
    uid: int


@cache
def catalog() -> Mapping[str, CatalogImage]:
    """All images, by key."""
    return {key: CatalogImage(key=key, **table) for key, table in tomllib.loads(asset("compose/images.toml")).items()}


def reference(key: str, *, overrides: Mapping[str, str], registry: str, minor: str = "") -> str:
    """The name by which an image is pulled.

    Args:
        key: in `compose/images.toml`.
        overrides: `[stack.images]`: used as they are.
        registry: `stack.registry`: goes before the name on Docker Hub, whose one-word names are then written out ("library/python").
        minor: Python's, for the base.
    """
    name = overrides.get(key) or mirrored(catalog()[key].image, registry)
    return name.replace(_MINOR, minor)


def mirrored(image: str, registry: str) -> str:
    """The name of a Docker Hub image at a mirror of it; without a registry it stays as it is."""
    if not registry:
        return image
    return f"{registry.rstrip('/')}/{image if '/' in image else f'library/{image}'}"


def check_overrides(overrides: Mapping[str, str]) -> None:
    """Raise `ConfigInvalid` when `[stack.images]` has a key that no image has."""
    unknown = sorted(overrides.keys() - catalog().keys())
    if unknown:
        raise ConfigInvalid(
            f"[stack.images] has no image {', '.join(unknown)}",
            why=f"the images of a stack are {', '.join(sorted(catalog()))}",
            fix="correct the key in sandbox.toml   (docs/images.md lists them)",
        )
