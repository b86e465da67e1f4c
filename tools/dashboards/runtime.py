"""Runtime: what the services use, how busy they are, and whether they stay up."""

from __future__ import annotations

from typing import Final

from dashboards import variables
from dashboards.frame import Json, Row
from dashboards.frame import dashboard as frame
from dashboards.metrics import Process, Prometheus, Recorded
from dashboards.panels import NO_DATA, NO_TRAFFIC, Target, stat, state_timeline, time_series
from dashboards.promql import Selectors, largest, mean, quantile, rate, total
from dashboards.reach import unreachable
from mlsandbox_serving.contract import Metrics, Route

_VARIABLES: Final = (variables.data_source(), *variables.targets(Prometheus.UP))
_of = Selectors([each["name"] for each in _VARIABLES])
_LEGEND: Final = "{{instance}}"


def dashboard() -> Json:
    """The dashboard."""
    return frame(
        "runtime",
        "Sandbox / Runtime",
        "Use, load and failures of the services: processor, memory, files, requests in flight, restarts.",
        _VARIABLES,
        (_services(), _use(), _load()),
    )


def _services() -> Row:
    up = _of(Prometheus.UP)
    started = _of(Process.START_SECONDS)
    return Row(
        "Services",
        (
            stat(
                "Reachable",
                "Services whose metrics Prometheus could read when it last tried.",
                "short",
                Target(f"sum({up})"),
                empty=NO_DATA,
                width=6,
            ),
            unreachable(up, width=6),
            stat(
                "Ready models",
                "Models whose golden rows were reproduced.",
                "short",
                Target(total(_of(Metrics.MODEL_READY))),
                empty=NO_DATA,
                width=6,
            ),
            stat(
                "Restarts",
                "Starts of services that were running before, over the time that is shown.",
                "short",
                Target(f"sum(changes({started}[$__range]))", instant=True),
                limits={1: "orange"},
                empty=NO_DATA,
                width=6,
            ),
            state_timeline(
                "Reachable over time",
                "Whether Prometheus could read each service's metrics.",
                ("unreachable", "reachable"),
                ("red", "green"),
                Target(largest(up, "instance"), _LEGEND),
                empty=NO_DATA,
            ),
        ),
    )


def _use() -> Row:
    return Row(
        "Use",
        (
            time_series(
                "Processor",
                "Processors in use: 1 is one whole processor.",
                "short",
                Target(total(rate(_of(Process.CPU_SECONDS)), "instance"), _LEGEND),
                empty=NO_DATA,
            ),
            time_series(
                "Memory",
                "Memory in use.",
                "bytes",
                Target(total(_of(Process.MEMORY_BYTES), "instance"), _LEGEND),
                empty=NO_DATA,
            ),
            time_series(
                "Memory of the limit",
                "Share of its memory limit that a service uses; at 1 it is stopped and started again.",
                "percentunit",
                Target(largest(_of(Recorded.MEMORY_RATIO), "instance"), _LEGEND),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Open files",
                "File descriptors that are open, connections included.",
                "short",
                Target(total(_of(Process.OPEN_FILES), "instance"), _LEGEND),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Running since",
                "Time since each service started; it falls to 0 at a restart.",
                "s",
                Target(f"time() - {largest(_of(Process.START_SECONDS), 'instance')}", _LEGEND),
                empty=NO_DATA,
                width=8,
            ),
        ),
    )


def _load() -> Row:
    seconds = _of(Metrics.REQUEST_SECONDS, "_sum", route=Route.PREDICT)
    by = "model, version"
    legend = "{{model}} {{version}}"
    return Row(
        "Load of the models",
        (
            time_series(
                "In flight", "Requests that are being answered now.", "short", Target(total(_of(Metrics.IN_FLIGHT), by), legend), width=8
            ),
            time_series(
                "Busy",
                "Predictions that are being answered at a time, on average; about the number of workers when they are all busy.",
                "short",
                Target(total(rate(seconds), by), legend),
                width=8,
            ),
            time_series(
                "Rows per request",
                "Rows of a prediction request: mean, and what 95 % stay below.",
                "short",
                Target(mean(_of(Metrics.REQUEST_ROWS, "_sum"), _of(Metrics.REQUEST_ROWS, "_count"), "model"), "{{model}} mean"),
                Target(quantile(0.95, _of(Metrics.REQUEST_ROWS, "_bucket"), "model"), "{{model}} p95"),
                empty=NO_TRAFFIC,
                width=8,
            ),
        ),
    )
