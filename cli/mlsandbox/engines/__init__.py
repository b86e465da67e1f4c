"""The ways to run a stack, by name. A new one is a module here and a line in ENGINES."""

from collections.abc import Callable
from pathlib import Path

from mlsandbox.engines.base import Engine
from mlsandbox.engines.embedded import EmbeddedEngine


def _docker(root: Path) -> Engine:
    from mlsandbox.engines.docker import DockerEngine  # noqa: PLC0415 - it renders containers, which nobody else needs at every start

    return DockerEngine(root)


ENGINES: dict[str, Callable[[Path], Engine]] = {EmbeddedEngine.name: EmbeddedEngine, "docker": _docker}
"""Each makes an engine for the project in a folder."""
