"""Which processes to start, restart or stop, and why (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlsandbox.engines.base import Action, Observed, ObservedService, Step
from mlsandbox.supervise.spec import ProcessSpec
from mlsandbox.supervise.transition import State


def plan_processes(wanted: Sequence[ProcessSpec], observed: Observed) -> tuple[Step, ...]:
    """One step for each process that is wanted or there: what is there and unwanted first, then the list in its order."""
    names = {spec.name for spec in wanted}
    leaving = (
        Step(Action.STOP, service.name, "not part of the stack any more") for service in observed.services if service.name not in names
    )
    return (*leaving, *(_step(spec, observed.service(spec.name)) for spec in wanted))


def recipe(spec: ProcessSpec) -> dict[str, str]:
    """What a process is started from, flat."""
    return {
        "command": " ".join(spec.argv),
        "folder": spec.cwd,
        "ports": ", ".join(str(number) for number in spec.ports.values()),
        "readiness probe": str(spec.readiness),
        "memory cap": str(spec.memory_bytes),
        "grace": str(spec.stop_grace),
        "log": spec.log_path,
        **spec.env,
    }


def _step(spec: ProcessSpec, service: ObservedService | None) -> Step:
    if service is None or service.state is State.STOPPED:
        return Step(Action.START, spec.name, "not running")
    if service.digest != spec.digest():
        return Step(Action.RESTART, spec.name, _changed(service.recipe, recipe(spec)))
    if service.state in {State.FAILED, State.REFUSED}:
        return Step(Action.RESTART, spec.name, f"{service.state}: {service.reason}")
    return Step(Action.KEEP, spec.name, f"unchanged, {service.state}")


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Names what differs; a value that is short is shown with what it was."""
    names = [name for name in (*new, *(name for name in old if name not in new)) if old.get(name) != new.get(name)]
    if not old or not names:
        return "changed"
    return "changed: " + ", ".join(_difference(name, old.get(name), new.get(name)) for name in names)


def _difference(name: str, old: str | None, new: str | None) -> str:
    if name.lower().endswith("_proxy") or any(len(value or "") > 32 for value in (old, new)):
        return name
    return f"{name} {'nothing' if old is None else old} -> {'nothing' if new is None else new}"
