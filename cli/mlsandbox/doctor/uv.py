"""uv, which makes the environments of models."""

from __future__ import annotations

from collections.abc import Iterator

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine
from mlsandbox.errors import SandboxError
from mlsandbox.packaging.interpreters import uv_program
from mlsandbox.run import run


class UvCheck:
    """It is there and runs."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        del examined
        try:
            version = run([uv_program(), "--version"], what="asking uv for its version", timeout=20).stdout.strip()
        except (SandboxError, OSError) as error:
            yield machine("uv", Verdict.PROBLEM, f"uv does not run: {error}", "reinstall it: pip install --force-reinstall uv")
        else:
            yield machine("uv", Verdict.OK, version)
