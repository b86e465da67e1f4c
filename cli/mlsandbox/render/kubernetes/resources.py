"""What a container asks for and is held to (pure): what was measured, else the defaults that stand here."""

from __future__ import annotations

import math
from typing import Any, Final

from mlsandbox.render.kubernetes.facts import ExportFacts, Measured
from mlsandbox.render.kubernetes.names import image_key
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox_serving.contract import Env, Port

MIB: Final = 1024**2
GIB: Final = 1024 * MIB
_MODEL_CPU: Final = (0.25, 1.0)
"""Cores of one worker of a model: those that it asks for, and its limit."""
_CPU: Final = (0.1, 1.0)
"""The same of any other container."""
_MEMORY_LIMIT: Final = 512 * MIB
"""Of a service that states none."""
_MOST_REQUESTED: Final = 512 * MIB
"""Half of the limit is asked for, and no more than this."""
_HEADROOM: Final = 1.25
"""What is asked for, compared with what was measured."""
_LEAST_CPU: Final = 0.1
"""Of a model, however little it was seen to use: its autoscaler goes by a share of what it asks for."""
_LOGS: Final = 128 * MIB
"""What a container writes to its output counts as its storage until the kubelet has taken it away."""
_STORAGE_SHARE: Final = 4
_MOST_STORAGE_REQUESTED: Final = 2 * GIB
"""A quarter of the limit is asked for, and no more than this: spools are nearly empty but while what takes their events is away, and
nodes with all of it for each pod would stand empty, or not be there. A node whose disk gets full ends those pods first that have more than
they asked for.
"""


def resources(service: ServiceSpec, facts: ExportFacts, folders: int = 0) -> dict[str, Any]:
    """Requests and limits.

    Args:
        service: what runs in the container.
        facts: its `measured` and `cpu_limits` are used.
        folders: bytes of the emptyDirs that the container fills.
    """
    requested, limit = _memory(service, facts)
    cpu_requested, cpu_limit = _cpus(service, facts)
    storage = folders + _LOGS
    stored = min(storage // _STORAGE_SHARE, _MOST_STORAGE_REQUESTED)
    return {
        "requests": {"cpu": cores(cpu_requested), "memory": quantity(requested), "ephemeral-storage": quantity(stored)},
        "limits": {
            **({"cpu": cores(cpu_limit)} if facts.cpu_limits else {}),
            "memory": quantity(limit),
            "ephemeral-storage": quantity(storage),
        },
    }


def quantity(number: int) -> str:
    """A number of bytes, rounded up to whole MiB."""
    mebibytes = math.ceil(number / MIB)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def bytes_of(text: str) -> int:
    """The number that `quantity` wrote."""
    return int(text[:-2]) * {"Gi": GIB, "Mi": MIB}[text[-2:]]


def cores(number: float) -> str:
    """A number of cores, rounded up to thousandths."""
    thousandths = math.ceil(round(number * 1000, 3))
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def threads_of_worker(service: ServiceSpec, facts: ExportFacts) -> int | None:
    """Threads of one worker of a model that has a CPU limit: with one for each core of a large node it would use its quota up at once,
    and stand still for the rest of each period.
    """
    if service.component != Port.API or not facts.cpu_limits:
        return None
    return max(int(_cpus(service, facts)[1] / _workers(service)), 1)


def _memory(service: ServiceSpec, facts: ExportFacts) -> tuple[int, int]:
    """What is asked for, and the limit."""
    limit = service.resources.memory_bytes or _MEMORY_LIMIT
    measured = _measured(service, facts)
    if measured is None:
        return min(limit // 2, _MOST_REQUESTED), limit
    requested = math.ceil(measured.memory_bytes * _HEADROOM)
    return requested, max(limit, requested)


def _cpus(service: ServiceSpec, facts: ExportFacts) -> tuple[float, float]:
    """The same in cores."""
    if service.resources.cpus is not None:
        return service.resources.cpus / 4, service.resources.cpus
    if service.component != Port.API:
        return _CPU
    requested, limit = (each * _workers(service) for each in _MODEL_CPU)
    measured = _measured(service, facts)
    if measured is not None:
        requested = max(measured.cpus * _HEADROOM, _LEAST_CPU)
        limit = max(limit, math.ceil(requested))
    return requested, limit


def _workers(service: ServiceSpec) -> int:
    return int(str(service.env.get(Env.WORKERS, "1")))


def _measured(service: ServiceSpec, facts: ExportFacts) -> Measured | None:
    return facts.measured.get(image_key(service)) if service.component == Port.API else None
