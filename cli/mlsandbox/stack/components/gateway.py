"""The gateway: HAProxy, where models are asked in containers, whichever version of each answers.

A container has its ports for as long as it is there, so what answers at one cannot be another container later: this one stays, and the
engine tells it whom to ask. What it is told is in SERVERS too, as it is to begin with when it is started again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Final

from mlsandbox.stack import parts
from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.components.model import fronts_of
from mlsandbox.stack.spec import (
    Address,
    Asset,
    ConfigPath,
    Front,
    Joined,
    ListenHost,
    ListenPort,
    PortSpec,
    Probe,
    ProgramEnvironment,
    Resources,
    ServiceSpec,
)
from mlsandbox_serving.contract import Header, Origin

NAME: Final = parts.GATEWAY
SERVERS: Final = "servers.cfg"
"""The file that says who answers."""
ADMIN_PORT: Final = "ADMIN_PORT"
"""Environment variable: where it takes commands, on its own loopback."""
SLOTS: Final = ("slot1", "slot2", "slot3", "slot4")
"""Its names of what a front can be answered by: the version that does, one that is to, and those that end what they began."""
HEALTH: Final = "/-/gateway"
"""What it answers by itself, at a port of its own: where models are asked there may be no place for one more connection."""
HEALTH_PORT: Final = "gateway-health"
_COMMON: Final = "haproxy.cfg"
_FRONTS: Final = "fronts.cfg"
_OWN_PORTS: Final = 9_998
"""The first of those on its own loopback that nothing else has."""
_CONNECTIONS: Final = 1_000
"""To each front: clients that take all of them leave the others theirs."""
_RESERVE: Final = 100
"""Connections that no front gets: of who asks for its health, and of the engine."""
_MEMORY: Final = 320 * 1024 * 1024
_MEMORY_PER_FRONT: Final = 192 * 1024 * 1024
"""A connection with a request has two buffers of 80 KiB at most."""
_SPARE_SECONDS: Final = 10.0
"""Besides a model's own timeout: it is the model service that is to say that it was too slow."""


def _services(inputs: StackInputs) -> tuple[ServiceSpec, ...]:
    if not inputs.fronts:
        return ()
    fronts = fronts_of(inputs)
    health, admin = _own_ports(fronts)
    seconds = max(version.timeout_seconds for model in inputs.models for version in model.versions) + _SPARE_SECONDS
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment("haproxy"),
            args=("haproxy", "-db", *(part for file in (_COMMON, _FRONTS, SERVERS) for part in ("-f", ConfigPath(file)))),
            env={ADMIN_PORT: str(admin)},
            files={
                _COMMON: Asset("compose/gateway/haproxy.cfg"),
                _FRONTS: Joined((_bounds(len(fronts), health), *(part for front in fronts for part in _front(front, seconds)))),
                SERVERS: servers(fronts),
            },
            live=(SERVERS,),
            ports=(*(front.port for front in fronts), PortSpec(HEALTH_PORT, health)),
            liveness=Probe(HEALTH_PORT, HEALTH, identified=False),
            readiness=Probe(HEALTH_PORT, HEALTH, identified=False),
            resources=Resources(memory_bytes=_MEMORY + _MEMORY_PER_FRONT * len(fronts)),
            stop_grace=seconds,
        ),
    )


def servers(fronts: Sequence[Front]) -> Joined:
    """SERVERS: of each front one slot that answers, and the others free; a free one has a name to look up because it cannot be without."""
    text: list[str | Address] = []
    for front in fronts:
        text += [f"backend {front.name} from {front.name}\n"]
        for slot in SLOTS:
            how = "init-addr last,libc,none" if slot == SLOTS[0] else "init-addr none disabled"
            text += [f"    server {slot} ", Address(front.service, front.target), f" {how}\n"]
    return Joined(tuple(text))


def _bounds(fronts: int, health: int) -> str:
    """What keeps the fronts from taking each other's connections, and where it says how it is."""
    return (
        f"global\n    maxconn {_CONNECTIONS * fronts + _RESERVE}\n"
        f"frontend {HEALTH_PORT} from common\n    bind 127.0.0.1:{health}\n    timeout client 10s\n    monitor-uri {HEALTH}\n"
    )


def _front(front: Front, seconds: float) -> tuple[str | ListenHost | ListenPort, ...]:
    """Where one model is asked, within which times."""
    name, sent = front.name, f"{{ req.fhdr({Header.REQUEST_ID}) -m reg '^[ -~]{{1,128}}$' }}"
    before = (
        f"defaults {name} from common\n    timeout client {seconds * 1000:.0f}ms\n    timeout server {seconds * 1000:.0f}ms\n"
        f"frontend {name} from {name}\n    maxconn {_CONNECTIONS}\n    bind "
    )
    after = (
        f"\n    http-request set-var(txn.request_id) req.fhdr({Header.REQUEST_ID}) if {sent}\n"
        f"    http-request set-var(txn.request_id) uuid() unless {sent}\n"
        f"    http-request del-header {Header.FORWARDED}\n"
        f"    http-request del-header {Header.ORIGIN} if {{ req.fhdr({Header.ORIGIN}) -m str -i {Origin.SHADOW} }}\n"
        f"    default_backend {name}\n"
    )
    return (before, ListenHost(public=True), ":", ListenPort(name), after)


def _own_ports(fronts: Sequence[Front]) -> tuple[int, int]:
    """Where it says how it is, and where it takes commands."""
    taken = {front.port.number for front in fronts}
    free = (number for number in count(_OWN_PORTS) if number not in taken)
    return next(free), next(free)


GATEWAY = Component(NAME, lambda _models: (), lambda inputs, _others: _services(inputs))
