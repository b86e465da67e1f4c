"""The configuration files of a stack's services, below `config/<service>/` of the rendered tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from mlsandbox.assets import asset
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import Asset, ServiceSpec, StackSpec, Value

FOLDER: Final = "config"
Text = Callable[[ServiceSpec, Value], str]
"""How an engine writes a value of a service."""


def config_files(spec: StackSpec, text: Text) -> tuple[RenderedFile, ...]:
    """Every configuration file of every service."""
    return tuple(
        RenderedFile(f"{FOLDER}/{service.name}/{path}", asset(value.path) if isinstance(value, Asset) else text(service, value))
        for service in spec.services
        for path, value in sorted(service.files.items())
    )


def config_digest(files: Sequence[RenderedFile], service: str) -> str | None:
    """Names the configuration of one service: it is started anew when this is another; None when it has none."""
    own = [file for file in files if file.path.startswith(f"{FOLDER}/{service}/")]
    content = "\0".join(f"{file.path}\0{file.text}" for file in own)
    return hashlib.sha256(content.encode()).hexdigest()[:16] if own else None
