"""Runtime: what the services use, how busy they are, and whether they stay up."""

from __future__ import annotations

from typing import Final

from dashboards import variables
from dashboards.frame import Json, Row
from dashboards.frame import dashboard as frame
from dashboards.metrics import Process, Prometheus, Recorded
from dashboards.panels import NO_DATA, NO_TRAFFIC, Panel, Target, stat, state_timeline, time_series
from dashboards.promql import PREDICTING, Selectors, largest, mean, quantile, rate, total
from dashboards.reach import unreachable
from mlsandbox_serving.contract import Metric, Metrics

_VARIABLES: Final = (variables.data_source(), *variables.targets(Prometheus.UP))
_of = Selectors([each["name"] for each in _VARIABLES])
_LEGEND: Final = "{{instance}}"
_BY: Final = "model, version"
_VERSION: Final = "{{model}} {{version}}"


def dashboard() -> Json:
    """The dashboard."""
    return frame(
        "runtime",
        "Sandbox / Runtime",
        "Use, load and failures of the services: processor, memory, files, requests in flight, calls of the model, refusals, restarts.",
        _VARIABLES,
        (_services(), _use(), _load(), _calls(), _refused()),
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
    seconds = _of(Metrics.REQUEST_SECONDS, "_sum", route=PREDICTING)
    return Row(
        "Load of the models",
        (
            time_series(
                "In flight",
                "Requests that are being answered now, and how many are taken at once: more are refused with 503.",
                "short",
                Target(total(_of(Metrics.IN_FLIGHT), _BY), _VERSION),
                Target(total(_of(Metrics.LIMIT), _BY), f"{_VERSION} limit"),
                width=8,
            ),
            time_series(
                "Waiting for the model",
                "Requests that are read and checked, while the model still answers others.",
                "short",
                Target(total(_of(Metrics.QUEUED), _BY), _VERSION),
                width=8,
            ),
            time_series(
                "Busy",
                "Predictions that are being answered at a time, on average; about the number of workers when they are all busy.",
                "short",
                Target(total(rate(seconds), _BY), _VERSION),
                width=8,
            ),
        ),
    )


def _calls() -> Row:
    took = mean(_of(Metrics.MODEL_SECONDS, "_sum"), _of(Metrics.MODEL_SECONDS, "_count"), _BY)
    seconds, requests = (_of(Metrics.REQUEST_SECONDS, end, route=PREDICTING) for end in ("_sum", "_count"))
    return Row(
        "Calls of the models",
        (
            time_series(
                "Time of a call",
                "How long the model itself takes for a call: mean, and what 95 % stay below.",
                "s",
                Target(took, f"{_VERSION} mean"),
                Target(quantile(0.95, _of(Metrics.MODEL_SECONDS, "_bucket"), _BY), f"{_VERSION} p95"),
                width=8,
            ),
            time_series(
                "The model's share of a request",
                "What one call of the model takes, in relation to what a prediction request takes; "
                "the rest is waiting, reading, checking and answering.",
                "percentunit",
                Target(f"({took}) / ({mean(seconds, requests, _BY)})", _VERSION),
                width=8,
            ),
            time_series(
                "Measured at the start",
                "How long a call with so many rows took when the service started.",
                "s",
                Target(largest(_of(Metrics.MODEL_COST), f"{_BY}, rows"), f"{_VERSION} {{{{rows}}}} rows"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Requests per call",
                "Requests that one call of the model answers, on average; 1 where they come one after the other.",
                "short",
                Target(mean(_of(Metrics.BATCH_REQUESTS, "_sum"), _of(Metrics.BATCH_REQUESTS, "_count"), _BY), _VERSION),
                width=8,
            ),
            time_series(
                "Rows per call",
                "Rows that one call of the model is given: mean, and what 95 % stay below.",
                "short",
                Target(mean(_of(Metrics.BATCH_ROWS, "_sum"), _of(Metrics.BATCH_ROWS, "_count"), _BY), f"{_VERSION} mean"),
                Target(quantile(0.95, _of(Metrics.BATCH_ROWS, "_bucket"), _BY), f"{_VERSION} p95"),
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


def _refused() -> Row:
    refused = rate(_of(Metrics.REQUESTS, code="~401|408|413|503|504"))
    return Row(
        "Refusals and sizes",
        (
            time_series(
                "Refusals",
                "Requests without a key (401), that did not arrive in time (408), that are too large (413), "
                "too many at once or before the model was ready (503), without a prediction in time (504).",
                "reqps",
                Target(total(refused, "model, code"), "{{model}} {{code}}"),
                width=8,
            ),
            _sizes("Bodies of requests", "How large the bodies of requests are, by route.", Metrics.REQUEST_BYTES),
            _sizes("Bodies of answers", "How large the bodies of answers are, by route.", Metrics.RESPONSE_BYTES),
        ),
    )


def _sizes(title: str, meaning: str, metric: Metric) -> Panel:
    """Mean and 95th percentile of a histogram of bytes."""
    return time_series(
        title,
        f"{meaning[:-1]}: mean, and what 95 % stay below.",
        "bytes",
        Target(mean(_of(metric, "_sum"), _of(metric, "_count"), "model, route"), "{{model}} {{route}} mean"),
        Target(quantile(0.95, _of(metric, "_bucket"), "model, route"), "{{model}} {{route}} p95"),
        width=8,
    )
