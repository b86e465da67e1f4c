"""The Prometheus exporter of Elasticsearch's own health."""

from __future__ import annotations

from collections.abc import Sequence

from mlsandbox.stack.components import elasticsearch
from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.spec import Condition, PortSpec, Probe, ProgramEnvironment, Resources, Scrape, ServiceSpec

NAME = "elasticsearch-exporter"
TIMEOUT_SECONDS = 3


def _services(_inputs: StackInputs, _others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    return (
        ServiceSpec(
            name=NAME,
            environment=ProgramEnvironment(NAME),
            # Of the node as a whole, not of each index (--es.indices): there is one a day, each with dozens of series that nobody reads.
            # Shorter than Prometheus's scrape_timeout: when Elasticsearch hangs, it is not the exporter that counts as gone.
            args=(f"--es.uri={elasticsearch.URL}", "--es.all", f"--es.timeout={TIMEOUT_SECONDS}s"),
            ports=(PortSpec(NAME, 9114),),
            metrics=Scrape(NAME),
            readiness=Probe(NAME, "/healthz", identified=False),  # it shows metrics, too, when Elasticsearch does not answer
            needs={elasticsearch.NAME: Condition.READY},  # it asks for the name of the cluster once, when it starts
            resources=Resources(memory_bytes=128 * 1024 * 1024),
        ),
    )


ELASTICSEARCH_EXPORTER = Component(NAME, lambda _models: (), _services)
