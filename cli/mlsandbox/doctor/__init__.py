"""Checks of this machine and of a project: one check per file, each finding with its remedy."""

from __future__ import annotations

from pathlib import Path

from mlsandbox.doctor.base import Check, Examined, Finding, Report, Verdict
from mlsandbox.doctor.cache import CacheCheck
from mlsandbox.doctor.clock import ClockCheck
from mlsandbox.doctor.configuration import ConfigurationCheck
from mlsandbox.doctor.disk import DiskCheck
from mlsandbox.doctor.docker import DockerCheck
from mlsandbox.doctor.ports import PortsCheck
from mlsandbox.doctor.python import PythonCheck
from mlsandbox.doctor.state import StateCheck
from mlsandbox.doctor.uv import UvCheck

CHECKS: tuple[Check, ...] = (
    PythonCheck(),
    UvCheck(),
    CacheCheck(),
    DiskCheck(),
    ClockCheck(),
    DockerCheck(),
    ConfigurationCheck(),
    StateCheck(),
    PortsCheck(),
)


def examine(root: Path | None, *, fix: bool = False, checks: tuple[Check, ...] = CHECKS) -> Report:
    """Run every check.

    Args:
        root: the project's folder; None when there is none, then its checks are left out.
        fix: repair what can be repaired without asking: stale state.
        checks: which.
    """
    examined = Examined(root, fix=fix)
    return Report(tuple(finding for check in checks for finding in check.run(examined)))


__all__ = ["CHECKS", "Check", "Examined", "Finding", "Report", "Verdict", "examine"]
