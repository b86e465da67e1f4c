"""What a container asks for and is held to (pure): what was measured, else the defaults that stand here."""

from __future__ import annotations

import math
from typing import Any, Final

from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.names import image_key
from mlsandbox.stack.spec import ModelEnvironment, ServiceSpec
from mlsandbox_serving.contract import Env, Port

MIB: Final = 1024**2
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
_LOGS: Final = 128 * MIB
"""What a container writes to its output counts as its storage until the kubelet has taken it away."""


def resources(service: ServiceSpec, facts: ExportFacts, folders: int = 0) -> dict[str, Any]:
    """Requests and limits.

    Args:
        service: what runs in the container.
        facts: its `measured` and `cpu_limits` are used.
        folders: bytes of the emptyDirs that the container fills.
    """
    limit = service.resources.memory_bytes or _MEMORY_LIMIT
    requested = min(limit // 2, _MOST_REQUESTED)
    cpu_requested, cpu_limit = _cpus(service)
    measured = facts.measured.get(image_key(service)) if service.component == Port.API else None
    if measured is not None:
        requested = math.ceil(measured.memory_bytes * _HEADROOM)
        limit = max(limit, requested)
        cpu_requested = max(measured.cpus * _HEADROOM, 0.01)
        cpu_limit = max(cpu_limit, math.ceil(cpu_requested))
    storage = quantity(folders + _LOGS)
    return {
        "requests": {"cpu": cores(cpu_requested), "memory": quantity(requested), "ephemeral-storage": storage},
        "limits": {
            **({"cpu": cores(cpu_limit)} if facts.cpu_limits else {}),
            "memory": quantity(limit),
            "ephemeral-storage": storage,
        },
    }


def quantity(number: int) -> str:
    """A number of bytes, rounded up to whole MiB."""
    mebibytes = math.ceil(number / MIB)
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def cores(number: float) -> str:
    """A number of cores, rounded up to thousandths."""
    thousandths = math.ceil(round(number * 1000, 3))
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def _cpus(service: ServiceSpec) -> tuple[float, float]:
    if service.resources.cpus is not None:
        return service.resources.cpus / 4, service.resources.cpus
    if service.component == Port.API and isinstance(service.environment, ModelEnvironment):
        workers = int(str(service.env.get(Env.WORKERS, "1")))
        return _MODEL_CPU[0] * workers, _MODEL_CPU[1] * workers
    return _CPU
