"""Prometheus: scrapes every service that shows metrics, and evaluates the alert rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mlsandbox.stack.components import alertmanager
from mlsandbox.stack.components.base import Component, StackInputs
from mlsandbox.stack.components.objectives import objective_rules
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
from mlsandbox_serving.contract import Port

NAME = "prometheus"
RULES: Final = ("drift", "pipeline", "recording", "resources", "service")
"""Files of `prometheus/rules`, without their ending."""
SCRAPED: Final = "targets/services.json"
"""The file that says whom to ask."""

_MEMORY: Final = 512 * 1024 * 1024


def _services(inputs: StackInputs, others: Sequence[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    options = (
        Joined(("--storage.tsdb.path=", DataFolder(NAME, "/prometheus"))),
        # Whichever comes first: a sandbox is no archive.
        "--storage.tsdb.retention.time=15d",
        "--storage.tsdb.retention.size=1GB",
        Joined(("--web.listen-address=", ListenHost(), ":", ListenPort(Port.PROMETHEUS))),
        Joined(("--web.external-url=http://127.0.0.1:", ListenPort(Port.PROMETHEUS))),  # what alerts link to
        # Pages of other sites must not read: as it comes, any page that a browser shows may.
        Joined(("--web.cors.origin=http://127[.]0[.]0[.]1:", ListenPort(Port.PROMETHEUS))),
    )
    itself = ServiceSpec(
        name=NAME,
        environment=ProgramEnvironment(NAME, command="prometheus"),
        args=(Joined(("--config.file=", ConfigPath("prometheus.yml"))), *options),
        # Relative: it takes the names of its rules and targets, with the folder before them, for patterns; folders have brackets.
        native_args=("--config.file=prometheus.yml", *options),
        env={"GOMEMLIMIT": str(_MEMORY * 9 // 10)},  # it tidies up in time, instead of being stopped at its limit
        ports=(inputs.port(Port.PROMETHEUS, Reach.MACHINE),),
        metrics=Scrape(Port.PROMETHEUS),
        liveness=Probe(Port.PROMETHEUS, "/-/healthy", identified=False),
        readiness=Probe(Port.PROMETHEUS, "/-/ready", identified=False),
        resources=Resources(memory_bytes=_MEMORY),
    )
    return (_configured(itself, inputs, (*others, itself)),)


def _configured(itself: ServiceSpec, inputs: StackInputs, services: Sequence[ServiceSpec]) -> ServiceSpec:
    static = {f"rules/{name}.yml": Asset(f"prometheus/rules/{name}.yml") for name in RULES}
    notified = [each for each in services if each.name == alertmanager.NAME]
    return replace(
        itself,
        files={
            "prometheus.yml": Asset("prometheus/prometheus.yml"),
            **static,
            "rules/objectives.yml": objective_rules(inputs.models, services, inputs.spool_bytes),
            SCRAPED: scraped(services),
            "targets/alertmanager.json": _targets([(each, Scrape(Port.ALERTMANAGER)) for each in notified]),
        },
        live=(SCRAPED,),  # file_sd: read again when it changes
    )


def scraped(services: Sequence[ServiceSpec]) -> Joined:
    """SCRAPED: those of these services that show metrics."""
    return _targets([(each, each.metrics) for each in services if each.metrics is not None])


def _targets(groups: Sequence[tuple[ServiceSpec, Scrape]]) -> Joined:
    """A file of file_sd: one group per service."""
    parts: list[str | Address] = []
    for service, scrape in groups:
        parts += [
            ",\n" if parts else "",
            ' {"targets": ["',
            Address(service.name, scrape.port),
            f'"], "labels": {_labels(service, scrape)}}}',
        ]
    return Joined(("[\n", *parts, "\n]\n"))


def _labels(service: ServiceSpec, scrape: Scrape) -> str:
    labels: Mapping[str, str] = {"job": service.name, "instance": service.name, **scrape.labels}
    return json.dumps(labels if scrape.path == "/metrics" else {**labels, "__metrics_path__": scrape.path})


PROMETHEUS = Component(NAME, lambda _models: (Port.PROMETHEUS,), _services)
