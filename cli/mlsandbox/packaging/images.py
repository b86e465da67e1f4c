"""Container images of a stack: found, built, pulled. (In the making.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox.docker_host import ImageRef
from mlsandbox.packaging.package import Package
from mlsandbox.stack.spec import Environment, StackSpec


@dataclass(frozen=True, slots=True)
class ImageSettings:
    project: str
    root: Path
    overrides: Mapping[str, str]
    registry: str
    ca: Path | None
    proxy: str


@dataclass(frozen=True, slots=True)
class Found:
    images: Mapping[Environment, ImageRef]
    missing: tuple[str, ...]


def find_images(spec: StackSpec, packages: Mapping[str, Package], settings: ImageSettings) -> Found:
    raise NotImplementedError


def supply_images(spec: StackSpec, packages: Mapping[str, Package], settings: ImageSettings, report: Any) -> Mapping[Environment, ImageRef]:
    raise NotImplementedError
