"""The log store of the embedded engine: events over the Forward protocol, kept in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import DataFolder, ListenHost, ListenPort, Probe, Resources, Scrape, ServiceEnvironment, ServiceSpec
from mlsandbox_serving.contract import Env, Port, Route

NAME = "log-store"
FOLDER = DataFolder("log-store", "/var/lib/sandbox/log-store")


def _services(inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ServiceEnvironment("log-store"),
            args=("-m", "mlsandbox_serving.log_store"),
            env={
                Env.LISTEN_HOST: ListenHost(),
                Env.FORWARD_PORT: ListenPort(Port.FLUENTD),
                Env.LOG_STORE_PORT: ListenPort(Port.LOG_STORE),
                Env.LOG_STORE_DIR: FOLDER,
                Env.LOG_RETENTION_SECONDS: f"{inputs.log_retention_seconds:.0f}",
            },
            ports=(inputs.port(Port.FLUENTD), inputs.port(Port.LOG_STORE)),
            metrics=Scrape(Port.LOG_STORE),
            liveness=Probe(Port.LOG_STORE, Route.LIVE),
            readiness=Probe(Port.LOG_STORE, Route.READY),
            resources=Resources(memory_bytes=512 * 1024 * 1024),
        ),
    )


LOG_STORE = Component(NAME, lambda _models: (Port.FLUENTD, Port.LOG_STORE), _services)
