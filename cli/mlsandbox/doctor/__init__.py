"""Checks of this machine and of a project: one check per file, each finding with its remedy."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.doctor.base import Check, Examined, Finding, Report, Verdict
from mlsandbox.doctor.cache import CacheCheck
from mlsandbox.doctor.clock import ClockCheck
from mlsandbox.doctor.configuration import ConfigurationCheck
from mlsandbox.doctor.disk import DiskCheck
from mlsandbox.doctor.docker import DockerCheck
from mlsandbox.doctor.folder import FolderCheck
from mlsandbox.doctor.ports import PortsCheck
from mlsandbox.doctor.python import PythonCheck
from mlsandbox.doctor.state import StateCheck
from mlsandbox.doctor.uv import UvCheck
from mlsandbox.project import Project

CHECKS: tuple[Check, ...] = (
    PythonCheck(),
    UvCheck(),
    CacheCheck(),
    DiskCheck(),
    ClockCheck(),
    DockerCheck(),
    ConfigurationCheck(),
    FolderCheck(),
    StateCheck(),
    PortsCheck(),
)
BEFORE_UP: tuple[Check, ...] = (ConfigurationCheck(), FolderCheck(), CacheCheck(), DiskCheck())
"""Those that take no time and whose problems nothing later tells as well: `up` finds out about Python, uv and ports by itself."""


def examine(root: Path | None, *, fix: bool = False, checks: tuple[Check, ...] = CHECKS, project: Project | None = None) -> Report:
    """Run every check.

    Args:
        root: the project's folder; None when there is none, then its checks are left out.
        fix: repair what can be repaired without asking: stale state.
        checks: which.
        project: its settings, when they have been read already.
    """
    examined = Examined(root, fix, project)
    return Report(tuple(finding for check in checks for finding in check.run(examined)))


__all__ = ["BEFORE_UP", "CHECKS", "Check", "Examined", "Finding", "Report", "Verdict", "examine"]
