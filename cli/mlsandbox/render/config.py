"""The configuration files of a stack's services, below `config/<service>/` of the rendered tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from mlsandbox.assets import asset
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import Asset, ConfigPath, ServiceSpec, StackSpec, Value

FOLDER: Final = "config"
WRITTEN: Final = "/etc/sandbox"
"""How files of the top-level folders write the folder that their service finds its configuration in; in containers it is there."""
Text = Callable[[ServiceSpec, Value], str]
"""How an engine writes a value of a service."""


def config_files(spec: StackSpec, text: Text) -> tuple[RenderedFile, ...]:
    """Every configuration file of every service."""
    return tuple(
        RenderedFile(f"{FOLDER}/{service.name}/{path}", _content(service, value, text))
        for service in spec.services
        for path, value in sorted(service.files.items())
    )


def _content(service: ServiceSpec, value: Asset | Value, text: Text) -> str:
    if isinstance(value, Asset):
        return asset(value.path).replace(WRITTEN, text(service, ConfigPath()))
    return text(service, value)


def config_digest(files: Sequence[RenderedFile], service: str) -> str | None:
    """Names the configuration of one service: it is started anew when this is another; None when it has none."""
    own = [file for file in files if file.path.startswith(f"{FOLDER}/{service}/")]
    content = "\0".join(f"{file.path}\0{file.text}" for file in own)
    return hashlib.sha256(content.encode()).hexdigest()[:16] if own else None
