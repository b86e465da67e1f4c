"""The ways to run a stack, by name. A new one is a module here and a line in ENGINES."""

from collections.abc import Callable
from pathlib import Path

from mlsandbox.engines.base import Engine
from mlsandbox.engines.embedded import EmbeddedEngine

ENGINES: dict[str, Callable[[Path], Engine]] = {EmbeddedEngine.name: EmbeddedEngine}
"""Each makes an engine for the project in a folder."""
