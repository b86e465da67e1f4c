"""The ports of the project's stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlsandbox.doctor.base import Examined, Finding, Verdict, project
from mlsandbox.engines.remembered import remembered_engine, remembered_state
from mlsandbox.errors import SandboxError
from mlsandbox.project import Project, load_project
from mlsandbox.registry import Entry, Registry
from mlsandbox.stack.build import port_names
from mlsandbox.stack.parts import chosen_parts
from mlsandbox.stack.ports import Availability, describe, this_machine


class PortsCheck:
    """Those it has, and those that are pinned, are its own or free; those it would get are told."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        if examined.root is None:
            return
        loaded = _loaded(examined)
        pinned = {} if loaded is None else loaded.stack.ports
        remembered = _remembered(examined.root)
        ports = {**remembered, **pinned}
        held = _held(examined.root)
        machine = this_machine()
        taken = {name: number for name, number in ports.items() if number not in held and machine.probe(number) is not Availability.FREE}
        for name, number in taken.items():
            verdict = Verdict.PROBLEM if name in pinned else Verdict.WARNING
            remedy = "let the sandbox choose: sandbox up --port auto" if name in pinned else "another one will be taken: sandbox up"
            yield project("ports", verdict, f"{name} port {number} is taken by {describe(machine.owner(number))}", remedy)
        if not taken and not remembered and loaded is not None:
            yield from _expected(loaded)
        elif not taken:
            yield project("ports", Verdict.OK, _listed(ports) or "none are taken yet")


def _expected(loaded: Project) -> Iterator[Finding]:
    """The ports that the first `up` would choose; where either engine may run it, those of containers."""
    engine = "embedded" if loaded.stack.engine == "embedded" else "docker"
    parts = chosen_parts(engine, loaded.stack.profile, exclude=loaded.stack.exclude, programs=())
    entry = Entry(loaded.name, str(loaded.root.resolve()), loaded.stack.engine, loaded.stack.host, {})
    names = port_names(tuple(loaded.models), parts)
    chosen = Registry().choose(entry, names, pinned=loaded.stack.ports, running={}, machine=this_machine())
    yield project("ports", Verdict.OK, f"free for the next `sandbox up`: {_listed(chosen.ports)}")
    for moved in chosen.moved:
        yield project("ports", Verdict.INFO, f"{moved.name} would get {moved.number} instead of {moved.wanted}: {moved.why}")


def _listed(ports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(ports.items(), key=lambda each: each[1]))


def _loaded(examined: Examined) -> Project | None:
    """The settings; None when they are invalid, which another check tells of."""
    try:
        return examined.project or (None if examined.root is None else load_project(examined.root))
    except SandboxError:
        return None


def _remembered(root: Path) -> Mapping[str, int]:
    try:
        return remembered_state(root).ports
    except SandboxError:
        return {}


def _held(root: Path) -> frozenset[int]:
    """Numbers that the stack itself listens on."""
    try:
        return frozenset(remembered_engine(root).observe().ports.values())
    except SandboxError:
        return frozenset()
