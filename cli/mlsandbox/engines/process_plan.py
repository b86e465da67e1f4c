"""Which processes to start, restart or stop, and why (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.engines.base import Observed, Step
from mlsandbox.engines.planning import Wanted, plan_services
from mlsandbox.supervise.spec import ProcessSpec


def plan_processes(wanted: Sequence[ProcessSpec], observed: Observed) -> tuple[Step, ...]:
    """One step for each process that is wanted or there."""
    return plan_services([Wanted(spec.name, spec.digest(), recipe(spec)) for spec in wanted], observed)


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
