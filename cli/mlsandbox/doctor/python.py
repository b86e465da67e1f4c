"""The Python that runs the command, and those that models can be served with."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mlsandbox.doctor.base import Examined, Finding, Verdict, machine
from mlsandbox.errors import SandboxError
from mlsandbox.packaging.interpreters import SUPPORTED, find_python


class PythonCheck:
    """A supported version, and which others are here."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        del examined
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        text = f"Python {sys.version.split()[0]} at {sys.executable}"
        if own in SUPPORTED:
            yield machine("python", Verdict.OK, text)
        else:
            remedy = (
                f"install mlsandbox into a Python {SUPPORTED[0]} to {SUPPORTED[-1]}: uv tool install --python {SUPPORTED[-1]} mlsandbox"
            )
            yield machine("python", Verdict.PROBLEM, f"{text} is not supported", remedy)
        here = [minor for minor in SUPPORTED if minor == own or _is_here(minor)]
        yield machine("python", Verdict.INFO, f"models can be served with Python {', '.join(here)}")


def _is_here(minor: str) -> bool:
    try:
        find_python(minor)
    except SandboxError:
        return False
    return True
