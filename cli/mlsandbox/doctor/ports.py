"""The ports of the project's stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlsandbox.doctor.base import Examined, Finding, Verdict, project
from mlsandbox.engines import ENGINES
from mlsandbox.errors import SandboxError
from mlsandbox.project import load_project
from mlsandbox.stack.ports import Availability, describe, this_machine
from mlsandbox.state import load_state


class PortsCheck:
    """Those it has, and those that are pinned, are its own or free."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        if examined.root is None:
            return
        pinned = _pinned(examined.root)
        ports = {**_remembered(examined.root), **pinned}
        held = set(ENGINES["embedded"](examined.root).observe().ports.values())
        machine = this_machine()
        taken = {name: number for name, number in ports.items() if number not in held and machine.probe(number) is not Availability.FREE}
        for name, number in taken.items():
            verdict = Verdict.PROBLEM if name in pinned else Verdict.WARNING
            remedy = "let the sandbox choose: sandbox up --port auto" if name in pinned else "another one will be taken: sandbox up"
            yield project("ports", verdict, f"{name} port {number} is taken by {describe(machine.owner(number))}", remedy)
        if not taken:
            numbers = ", ".join(f"{name} {number}" for name, number in ports.items())
            yield project("ports", Verdict.OK, numbers or "none are taken yet")


def _pinned(root: Path) -> Mapping[str, int]:
    try:
        return load_project(root).stack.ports
    except SandboxError:
        return {}


def _remembered(root: Path) -> Mapping[str, int]:
    try:
        return load_state(root / ".sandbox").state.ports if (root / ".sandbox" / "state.json").exists() else {}
    except SandboxError:
        return {}
