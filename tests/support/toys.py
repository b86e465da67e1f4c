"""Stacks of toy services, for tests of engines and of the supervisor."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlsandbox.docker_host import ImageRef
from mlsandbox.engines.base import Desired
from mlsandbox.stack.components.base import ModelInputs, StackInputs, direct, unversioned
from mlsandbox.stack.components.gateway import GATEWAY
from mlsandbox.stack.spec import Condition, Front, ListenHost, PortSpec, Probe, Reach, ServiceEnvironment, ServiceSpec, StackSpec, Value
from mlsandbox_serving.contract import Env, Port

TOYS = ServiceEnvironment("toys")
FRONT = Port.API.value
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


def toy(
    name: str, port: int, *, needs: Mapping[str, Condition] | None = None, grace: float = 5.0, front: str = "", **env: Value
) -> ServiceSpec:
    """One toy, which may answer for a front; `env` names are those of toy_service.py ("TOY", "TOY_WORKER", …)."""
    return ServiceSpec(
        name=name,
        environment=TOYS,
        args=(str(SCRIPT),),
        env={"TOY": "ready", "TOY_PORT": str(port), "TOY_HOST": ListenHost(), **({Env.FRONT: front} if front else {}), **env},
        ports=(PortSpec(direct(name) if front else name, port, Reach.STACK if front else Reach.MACHINE),),
        readiness=Probe(direct(name) if front else name, "/readyz", period=0.05),
        needs=needs or {},
        stop_grace=grace,
        front=front,
    )


def front(port: int, service: str) -> Front:
    """Where toys answer, whichever of them does; now this one."""
    return Front(PortSpec(FRONT, port, Reach.PUBLIC), service, direct(service))


def gateway(fronts: Sequence[Front], project: str) -> ServiceSpec:
    """What holds these in containers."""
    versions = {each.name: unversioned(each.service) for each in fronts}
    models = tuple(
        ModelInputs("toys" if name == FRONT else name.removeprefix(f"{FRONT}-"), named[1], "", Path(), "", "")
        for name, named in versions.items()
        if named is not None
    )
    ports = {each.name: each.port.number for each in fronts}
    (service,) = GATEWAY.services(StackInputs(project, "127.0.0.1", models, ports, frozenset(), fronts=True), ())
    return service


def desired(*services: ServiceSpec, project: str = "toys", image: ImageRef | None = None, fronts: Sequence[Front] = ()) -> Desired:
    """A stack of toys on this machine; in containers, with the image of `toy_image`."""
    if image is None:
        return Desired(StackSpec(project, "127.0.0.1", services, tuple(fronts)), {TOYS: Path(sys.executable)}, {})
    inside = tuple(
        replace(service, args=tuple(SCRIPT_IN_IMAGE if each == str(SCRIPT) else each for each in service.args)) for service in services
    )
    return Desired(StackSpec(project, "127.0.0.1", inside, tuple(fronts)), {}, {}, images={TOYS: image})
