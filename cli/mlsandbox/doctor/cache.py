"""The folder that holds environments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine
from mlsandbox.packaging.environments import CACHE_VARIABLE, cache_dir


class CacheCheck:
    """It can be written."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        del examined
        folder = cache_dir()
        if os.access(nearest(folder), os.W_OK | os.X_OK):
            yield machine("cache", Verdict.OK, f"environments are kept in {folder}")
        else:
            yield machine(
                "cache",
                Verdict.PROBLEM,
                f"{folder} cannot be written",
                f"give yourself the right, or set {CACHE_VARIABLE} to another folder",
            )


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())
