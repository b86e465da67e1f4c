"""Alertmanager: groups what Prometheus finds wrong and tells who is to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlsandbox.stack.components import shipper
from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import (
    Address,
    Asset,
    ConfigPath,
    DataFolder,
    Joined,
    ListenHost,
    ListenPort,
    Probe,
    ProgramEnvironment,
    Reach,
    Resources,
    Scrape,
    ServiceSpec,
)
from mlsandbox_serving.contract import Port, Route

NAME = "alertmanager"
_MEMORY: Final = 128 * 1024 * 1024


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    first = inputs.models[0]
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME, command="alertmanager"),
            args=(
                Joined(("--config.file=", ConfigPath("alertmanager.yml"))),
                Joined(("--storage.path=", DataFolder(NAME, "/alertmanager"))),
                Joined(("--web.listen-address=", ListenHost(), ":", ListenPort(Port.ALERTMANAGER))),
                Joined(("--web.external-url=http://127.0.0.1:", ListenPort(Port.ALERTMANAGER))),  # what notifications link to
                "--cluster.listen-address=",
            ),
            env={"GOMEMLIMIT": str(_MEMORY * 9 // 10)},
            files={
                "alertmanager.yml": Asset("prometheus/alertmanager.yml"),
                "webhook-url": Joined(
                    ("http://", Address(inputs.named(shipper.NAME, first), inputs.named(Port.SHIPPER, first)), Route.ALERTS)
                ),
            },
            ports=(inputs.port(Port.ALERTMANAGER, Reach.MACHINE),),
            metrics=Scrape(Port.ALERTMANAGER),
            liveness=Probe(Port.ALERTMANAGER, "/-/healthy", identified=False),
            readiness=Probe(Port.ALERTMANAGER, "/-/ready", identified=False),
            resources=Resources(memory_bytes=_MEMORY),
        ),
    )


ALERTMANAGER = Component(NAME, lambda _models: (Port.ALERTMANAGER,), _services)
