"""Room for environments, packages and events."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine
from mlsandbox.doctor.cache import nearest
from mlsandbox.packaging.environments import cache_dir

_LITTLE: Final = 2_000_000_000
"""Bytes; an environment with scikit-learn takes about 450 MB."""
_TOO_LITTLE: Final = 100_000_000
"""With less `up` does not begin."""


class DiskCheck:
    """Enough is free where environments and where the project lie."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        for what, folder in (("environments", cache_dir()), ("the project", examined.root)):
            if folder is not None:
                yield _finding(what, folder)


def _finding(what: str, folder: Path) -> Finding:
    free = shutil.disk_usage(nearest(folder)).free
    text = f"{free / 1e9:.1f} GB free for {what}"
    if free < _TOO_LITTLE:
        text = f"{free / 1e6:.0f} MB free for {what}, and at least {_TOO_LITTLE / 1e6:.0f} MB are needed"
        return machine("disk", Verdict.PROBLEM, text, f"make room on the disk of {folder}; sandbox down --volumes removes a stack's data")
    if free < _LITTLE:
        return machine("disk", Verdict.WARNING, text, f"make room on the disk of {folder} soon")
    return machine("disk", Verdict.OK, text)
