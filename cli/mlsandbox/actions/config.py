"""The settings of a project and where each came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsandbox.actions.drift_engines import idle_detectors
from mlsandbox.project import Project


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One setting."""

    path: str
    value: object
    origin: str
    reserved: bool
    """It was set and has no effect in this version."""


@dataclass(frozen=True, slots=True)
class ConfigResult:
    """All settings of a project."""

    file: Path
    settings: tuple[ConfigEntry, ...]
    warnings: tuple[str, ...] = ()
    """What is valid and does nothing."""


def config(project: Project) -> ConfigResult:
    """Every setting with its value and source, in the order of sandbox.toml."""
    entries = (ConfigEntry(path, each.value, each.source, path in project.reserved) for path, each in project.origins.items())
    return ConfigResult(project.file, tuple(entries), idle_detectors(project))
