"""Fluentd: takes events from the shippers, keeps them in a file buffer, and writes them to Elasticsearch."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.stack.components import elasticsearch
from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import (
    Asset,
    Condition,
    ConfigPath,
    DataFolder,
    ListenHost,
    PortSpec,
    Probe,
    ProgramEnvironment,
    Resources,
    Scrape,
    ServiceSpec,
)
from mlsandbox_serving.contract import Env, Port

NAME = "fluentd"
METRICS_PORT = "fluentd-metrics"


def _services(_inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME),
            args=("-c", ConfigPath("fluent.conf")),
            env={
                Env.ELASTICSEARCH_URL: elasticsearch.URL,
                Env.LISTEN_HOST: ListenHost(),
                "FLUENTD_BUFFER_DIR": DataFolder(NAME, "/var/lib/sandbox/fluentd"),
            },
            files={name: Asset(f"fluentd/{name}") for name in ("fluent.conf", "elasticsearch.conf")},
            ports=(PortSpec(Port.FLUENTD, 24224), PortSpec(METRICS_PORT, 24231)),
            metrics=Scrape(METRICS_PORT),
            readiness=Probe(METRICS_PORT, "/metrics", identified=False),
            needs={elasticsearch.NAME: Condition.STARTED},  # not READY: it keeps events until Elasticsearch takes them
            resources=Resources(memory_bytes=768 * 1024**2),  # several of the largest events at a time
            stop_grace=30.0,
        ),
    )


FLUENTD = Component(NAME, lambda _models: (), _services)
