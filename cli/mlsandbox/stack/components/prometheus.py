"""Prometheus: scrapes every service that shows metrics, and evaluates the alert rules."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import (
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
    ServiceSpec,
)
from mlsandbox_serving.contract import Port

NAME = "prometheus"


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME, command="prometheus"),
            args=(
                Joined(("--config.file=", ConfigPath("prometheus.yml"))),
                Joined(("--storage.tsdb.path=", DataFolder(NAME, "/prometheus"))),
                Joined(("--web.listen-address=", ListenHost(), ":", ListenPort(Port.PROMETHEUS))),
            ),
            files={"prometheus.yml": Asset("prometheus/prometheus.yml")},
            ports=(inputs.port(Port.PROMETHEUS, Reach.MACHINE),),
            liveness=Probe(Port.PROMETHEUS, "/-/healthy", identified=False),
            readiness=Probe(Port.PROMETHEUS, "/-/ready", identified=False),
            resources=Resources(memory_bytes=512 * 1024 * 1024),
        ),
    )


PROMETHEUS = Component(NAME, lambda _models: (Port.PROMETHEUS,), _services)
