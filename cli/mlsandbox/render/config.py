"""The configuration files of a stack's services, below `config/<service>/` of the rendered tree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mlsandbox.assets import asset
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.spec import Asset, ConfigPath, PackagedFile, ProjectFile, ServiceSpec, StackSpec, StoredFile, Value

FOLDER: Final = "config"
WRITTEN: Final = "/etc/sandbox"
"""How files of the top-level folders write the folder that their service finds its configuration in; in containers it is there."""
Text = Callable[[ServiceSpec, Value], str]
"""How an engine writes a value of a service."""


def config_files(spec: StackSpec, text: Text, *, root: Path, packages: Mapping[str, Path]) -> tuple[RenderedFile, ...]:
    """Every configuration file of every service.

    Args:
        spec: the stack.
        text: how values are written.
        root: the project's folder.
        packages: the folder of each package (bento), by tag.

    Raises:
        OSError: a file of a package or of the project is not there.
    """

    def content(service: ServiceSpec, value: StoredFile | Value) -> str | bytes:
        match value:
            case Asset(path):
                return asset(path).replace(WRITTEN, text(service, ConfigPath()))
            case PackagedFile(package, path):
                return (packages[package] / path).read_bytes()
            case ProjectFile(path):
                return (root / path).read_bytes()
            case _:
                return text(service, value)

    return tuple(
        RenderedFile(f"{FOLDER}/{service.name}/{path}", content(service, value))
        for service in spec.services
        for path, value in sorted(service.files.items())
    )


def live_files(spec: StackSpec, files: Sequence[RenderedFile]) -> tuple[RenderedFile, ...]:
    """Those of these files that services read again by themselves."""
    live = {f"{FOLDER}/{service.name}/{path}" for service in spec.services for path in service.live}
    return tuple(file for file in files if file.path in live)


def config_digest(files: Sequence[RenderedFile], service: ServiceSpec) -> str | None:
    """Names the configuration of one service: it is started anew when this is another; None when it has none.

    Files that it follows by itself are no part of it.
    """
    folder = f"{FOLDER}/{service.name}/"
    live = {folder + path for path in service.live}
    own = [file for file in files if file.path.startswith(folder) and file.path not in live]
    content = b"\0".join(file.path.encode() + b"\0" + file.data for file in own)
    return hashlib.sha256(content).hexdigest()[:16] if own else None
