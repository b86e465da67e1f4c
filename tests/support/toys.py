"""Stacks of toy services, for tests of engines and of the supervisor."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from mlsandbox.engines.base import Desired
from mlsandbox.stack.spec import Condition, PortSpec, Probe, ServiceEnvironment, ServiceSpec, StackSpec

TOYS = ServiceEnvironment("toys")
SCRIPT = Path(__file__).with_name("toy_service.py")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def toy(name: str, port: int, *, needs: Mapping[str, Condition] | None = None, grace: float = 5.0, **env: str) -> ServiceSpec:
    """One toy; `env` names are those of toy_service.py ("TOY", "TOY_WORKER", …)."""
    return ServiceSpec(
        name=name,
        environment=TOYS,
        args=(str(SCRIPT),),
        env={"TOY": "ready", "TOY_PORT": str(port), **env},
        ports=(PortSpec(name, port),),
        readiness=Probe(name, "/readyz", period=0.05),
        needs=needs or {},
        stop_grace=grace,
    )


def desired(*services: ServiceSpec) -> Desired:
    """A stack of toys on this machine."""
    return Desired(StackSpec("toys", "127.0.0.1", services), {TOYS: Path(sys.executable)}, {})
