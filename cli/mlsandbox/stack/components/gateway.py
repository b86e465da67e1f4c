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
    Probe,
    ProgramEnvironment,
    Resources,
    ServiceSpec,
)

NAME: Final = parts.GATEWAY
SERVERS: Final = "servers.cfg"
"""The file that says who answers."""
ADMIN_PORT: Final = "ADMIN_PORT"
"""Environment variable: where it takes commands, on its own loopback."""
SLOTS: Final = ("slot1", "slot2", "slot3", "slot4")
"""Its names of what a front can be answered by: the version that does, one that is to, and those that end what they began."""
HEALTH: Final = "/-/gateway"
"""What it answers by itself at each of its ports."""
_COMMON: Final = "haproxy.cfg"
_FRONTS: Final = "fronts.cfg"
_MEMORY: Final = 512 * 1024 * 1024
_SPARE_SECONDS: Final = 10.0
"""Besides a model's own timeout: it is the model service that is to say that it was too slow."""


def _services(inputs: StackInputs) -> tuple[ServiceSpec, ...]:
    if not inputs.fronts:
        return ()
    fronts = fronts_of(inputs)
    seconds = max(version.timeout_seconds for model in inputs.models for version in model.versions) + _SPARE_SECONDS
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment("haproxy"),
            args=("haproxy", "-db", *(part for file in (_COMMON, _FRONTS, SERVERS) for part in ("-f", ConfigPath(file)))),
            env={ADMIN_PORT: str(_admin_port(fronts))},
            files={
                _COMMON: Asset("compose/gateway/haproxy.cfg"),
                _FRONTS: Joined(tuple(part for front in fronts for part in _front(front, seconds))),
                SERVERS: servers(fronts),
            },
            live=(SERVERS,),
            ports=tuple(front.port for front in fronts),
            liveness=Probe(fronts[0].name, HEALTH, identified=False),
            readiness=Probe(fronts[0].name, HEALTH, identified=False),
            resources=Resources(memory_bytes=_MEMORY),
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


def _front(front: Front, seconds: float) -> tuple[str | ListenHost | ListenPort, ...]:
    """Where one model is asked, within which times."""
    name, sent = front.name, "{ req.hdr(x-request-id) -m found }"
    before = (
        f"defaults {name} from common\n    timeout client {seconds * 1000:.0f}ms\n    timeout server {seconds * 1000:.0f}ms\n"
        f"frontend {name} from {name}\n    bind "
    )
    after = (
        f"\n    monitor-uri {HEALTH}\n"
        f"    http-request set-var(txn.request_id) req.hdr(x-request-id) if {sent}\n"
        f"    http-request set-var(txn.request_id) uuid() unless {sent}\n"
        f"    default_backend {name}\n"
    )
    return (before, ListenHost(public=True), ":", ListenPort(name), after)


def _admin_port(fronts: Sequence[Front]) -> int:
    taken = {front.port.number for front in fronts}
    return next(number for number in count(9_999) if number not in taken)


GATEWAY = Component(NAME, lambda _models: (), lambda inputs, _others: _services(inputs))
