"""Docker, which this version does not use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine


class DockerCheck:
    """Whether it is installed, for information alone."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        del examined
        found = "installed" if shutil.which("docker") else "not installed"
        yield machine("docker", Verdict.INFO, f"{found}, and not needed: stacks run as child processes (engine embedded)")
