"""Grafana: the dashboards, with its data sources and an anonymous viewer set up."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import (
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
    SecretFile,
    ServiceSpec,
)
from mlsandbox_serving.contract import Port

NAME = "grafana"
PASSWORD = SecretFile("grafana-admin")


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME, command="grafana"),
            args=(),
            env={
                "GF_SERVER_HTTP_ADDR": ListenHost(),
                "GF_SERVER_HTTP_PORT": ListenPort(Port.GRAFANA),
                "GF_PATHS_DATA": DataFolder(NAME, "/var/lib/grafana"),
                "GF_PATHS_PROVISIONING": Joined((ConfigPath("provisioning"),)),
                "GF_SECURITY_ADMIN_PASSWORD__FILE": PASSWORD,
            },
            ports=(inputs.port(Port.GRAFANA, Reach.MACHINE),),
            metrics=Scrape(Port.GRAFANA),
            readiness=Probe(Port.GRAFANA, "/api/health", identified=False),
            resources=Resources(memory_bytes=256 * 1024 * 1024),
        ),
    )


GRAFANA = Component(NAME, lambda _models: (Port.GRAFANA,), _services)
