"""Stacks of toy services, for tests of engines and of the supervisor."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.base import Desired
from mlsandbox.stack.spec import Condition, ListenHost, PortSpec, Probe, Reach, ServiceEnvironment, ServiceSpec, StackSpec, Value

TOYS = ServiceEnvironment("toys")
SCRIPT = Path(__file__).with_name("toy_service.py")
SCRIPT_IN_IMAGE = "/toys/toy_service.py"
DIGESTS = """
import hashlib, os, pathlib
for file in sorted(pathlib.Path(os.environ["TOY_FOLDER"]).iterdir()):
    print(hashlib.sha256(file.read_bytes()).hexdigest())
"""
"""Program of a toy: the digests of the files in its folder."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def toy(name: str, port: int, *, needs: Mapping[str, Condition] | None = None, grace: float = 5.0, **env: Value) -> ServiceSpec:
    """One toy; `env` names are those of toy_service.py ("TOY", "TOY_WORKER", …)."""
    return ServiceSpec(
        name=name,
        environment=TOYS,
        args=(str(SCRIPT),),
        env={"TOY": "ready", "TOY_PORT": str(port), "TOY_HOST": ListenHost(), **env},
        ports=(PortSpec(name, port, Reach.MACHINE),),
        readiness=Probe(name, "/readyz", period=0.05),
        needs=needs or {},
        stop_grace=grace,
    )


def desired(*services: ServiceSpec, project: str = "toys", image: ImageRef | None = None) -> Desired:
    """A stack of toys on this machine; in containers, with the image of `toy_image`."""
    if image is None:
        return Desired(StackSpec(project, "127.0.0.1", services), {TOYS: Path(sys.executable)}, {})
    inside = tuple(
        replace(service, args=tuple(SCRIPT_IN_IMAGE if each == str(SCRIPT) else each for each in service.args)) for service in services
    )
    return Desired(StackSpec(project, "127.0.0.1", inside), {}, {}, images={TOYS: image})
