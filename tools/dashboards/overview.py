"""Overview: is the model answered well, fast enough, by which version, and with which predictions."""

from __future__ import annotations

from typing import Final

from dashboards import variables
from dashboards.frame import Json, Row
from dashboards.frame import dashboard as frame
from dashboards.metrics import Prometheus
from dashboards.panels import NO_DATA, Target, bar_gauge, heatmap, stat, time_series
from dashboards.promql import PREDICTING, Selectors, grown, largest, quantile, rate, share, total
from dashboards.reach import unreachable
from mlsandbox_serving.contract import Metrics

_FAULTS: Final = "~5.."
_NO_CHALLENGER: Final = "No challenger"
_DRIFT: Final = ("none", "low", "medium", "high")
_VARIABLES: Final = (
    variables.data_source(),
    *variables.targets(Metrics.MODEL_INFO),
    variables.label("model", "Model", Metrics.MODEL_INFO),
    variables.label("version", "Version", Metrics.MODEL_INFO),
    variables.label("route", "Route", Metrics.REQUESTS),
    variables.latency_objective(0.05),
    variables.availability_objective("0.999"),
)
_of = Selectors([each["name"] for each in _VARIABLES])


def dashboard() -> Json:
    """The dashboard."""
    return frame(
        "overview",
        "Sandbox / Overview",
        "Health of the model services: traffic, errors, latency, versions and predictions.",
        _VARIABLES,
        (_now(), _routes(), _latency(), _versions(), _challenger(), _predictions()),
    )


def _now() -> Row:
    requests = _of(Metrics.REQUESTS, route=PREDICTING)
    faults = _of(Metrics.REQUESTS, route=PREDICTING, code=_FAULTS)
    buckets = _of(Metrics.REQUEST_SECONDS, "_bucket", route=PREDICTING)
    in_time = _of(Metrics.REQUEST_SECONDS, "_bucket", route=PREDICTING, le="$latency_slo")
    counts = _of(Metrics.REQUEST_SECONDS, "_count", route=PREDICTING)
    spent = share(grown(faults), grown(requests))
    return Row(
        "Now",
        (
            stat("Requests", "Prediction requests answered per second.", "reqps", Target(total(rate(requests))), width=4),
            stat(
                "Failed",
                "Share of prediction requests that failed by a fault of the service (5xx).",
                "percentunit",
                Target(share(total(rate(faults)), total(rate(requests)))),
                limits={0.001: "orange", 0.01: "red"},
                width=4,
            ),
            stat("Latency p95", "95 % of predictions are answered within this time.", "s", Target(quantile(0.95, buckets)), width=4),
            stat(
                "Within latency objective",
                "Share of predictions that are answered within the latency objective chosen above.",
                "percentunit",
                Target(share(total(rate(in_time)), total(rate(counts)))),
                limits={0: "red", 0.9: "orange", 0.95: "green"},
                width=4,
            ),
            stat(
                "Error budget left",
                "What is left of the failures that the availability objective chosen above allows, over the time that is shown; "
                "below 0 more failed than allowed.",
                "percentunit",
                Target(f"1 - {spent} / (1 - $objective)", instant=True),
                limits={-1000: "red", 0: "orange", 0.25: "green"},
                width=4,
            ),
            stat("In flight", "Requests that are being answered now.", "short", Target(total(_of(Metrics.IN_FLIGHT))), width=4),
            unreachable(_of(Prometheus.UP), width=4),
            stat(
                "Serving",
                "Model and version that answer now.",
                "none",
                Target(largest(_of(Metrics.MODEL_INFO), "model, version"), "{{model}} {{version}}", instant=True),
                empty=NO_DATA,
                name_only=True,
                width=8,
            ),
            stat(
                "Golden rows",
                "Rows of the training by how well the served model reproduces what was predicted for them there.",
                "short",
                Target(total(_of(Metrics.GOLDEN_ROWS), "result"), "{{result}}", instant=True),
                empty=NO_DATA,
                width=8,
            ),
            stat(
                "Drift",
                "The worst column's drift from the reference.",
                "none",
                Target(largest(_of(Metrics.DRIFT_SEVERITY)), instant=True),
                limits={1: "yellow", 2: "orange", 3: "red"},
                texts=_DRIFT,
                empty=NO_DATA,
                width=4,
            ),
        ),
    )


def _routes() -> Row:
    requests = _of(Metrics.REQUESTS)
    refused = _of(Metrics.REQUESTS, code="~4..|5..")
    return Row(
        "Routes",
        (
            time_series(
                "Requests by route", "Requests answered per second.", "reqps", Target(total(rate(requests), "route"), "{{route}}"), width=8
            ),
            time_series(
                "Refused and failed by route",
                "Answers with a status from 400 on: 4xx are requests that the model cannot take, 5xx are faults of the service.",
                "reqps",
                Target(total(rate(refused), "route, code"), "{{route}} {{code}}"),
                width=8,
            ),
            time_series(
                "Latency p95 by route",
                "95 % of requests are answered within this time.",
                "s",
                Target(quantile(0.95, _of(Metrics.REQUEST_SECONDS, "_bucket"), "route"), "{{route}}"),
                width=8,
            ),
        ),
    )


def _latency() -> Row:
    buckets = _of(Metrics.REQUEST_SECONDS, "_bucket", route=PREDICTING)
    quantiles = tuple(Target(quantile(q, buckets), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99))
    return Row(
        "Latency of predictions",
        (
            heatmap(
                "Latency",
                "How many predictions took how long.",
                "s",
                Target(total(rate(buckets), "le"), "{{le}}", form="heatmap"),
            ),
            time_series(
                "Latency quantiles",
                "50, 95 and 99 % of predictions are answered within this time; the last line is the objective chosen above.",
                "s",
                *quantiles,
                Target("$latency_slo", "objective"),
            ),
        ),
    )


def _versions() -> Row:
    requests = _of(Metrics.REQUESTS, route=PREDICTING)
    faults = _of(Metrics.REQUESTS, route=PREDICTING, code=_FAULTS)
    buckets = _of(Metrics.REQUEST_SECONDS, "_bucket", route=PREDICTING)
    by = "model, version"
    legend = "{{model}} {{version}}"
    return Row(
        "By version",
        (
            time_series(
                "Predictions by version",
                "Prediction requests answered per second.",
                "reqps",
                Target(total(rate(requests), by), legend),
                stacked=True,
                width=8,
            ),
            time_series(
                "Failed by version",
                "Share of prediction requests that failed by a fault of the service (5xx).",
                "percentunit",
                Target(share(total(rate(faults), by), total(rate(requests), by)), legend),
                width=8,
            ),
            time_series(
                "Latency p95 by version",
                "95 % of predictions are answered within this time.",
                "s",
                Target(quantile(0.95, buckets, by), legend),
                width=8,
            ),
        ),
    )


def _challenger() -> Row:
    requests = rate(_of(Metrics.CHALLENGER_REQUESTS))
    rows = rate(_of(Metrics.SHADOW_ROWS))
    same = rate(_of(Metrics.SHADOW_ROWS, result="same"))
    by = "model, challenger"
    legend = "{{model}} {{challenger}}"
    return Row(
        "Challenger",
        (
            time_series(
                "Requests for the challenger",
                "Requests that it is to answer (split) and copies for it (shadow), by what becomes of them; "
                "with all but answered requests of a split the champion answers.",
                "reqps",
                Target(total(requests, f"{by}, mode, result"), f"{legend} {{{{mode}}}} {{{{result}}}}"),
                empty=_NO_CHALLENGER,
                width=8,
            ),
            time_series(
                "Agreement",
                "Share of the rows of copied requests for which champion and challenger predict the same.",
                "percentunit",
                Target(share(total(same, by), total(rows, by)), legend),
                empty=_NO_CHALLENGER,
                width=8,
            ),
            time_series(
                "Latency p95 of the challenger",
                "95 % of its answers reach the champion within this time.",
                "s",
                Target(quantile(0.95, _of(Metrics.CHALLENGER_SECONDS, "_bucket"), by), legend),
                empty=_NO_CHALLENGER,
                width=8,
            ),
        ),
    )


def _predictions() -> Row:
    classes = _of(Metrics.PREDICTIONS)
    scores = _of(Metrics.PREDICTION_SCORE, "_bucket")
    rows = _of(Metrics.REQUEST_ROWS, "_sum")
    return Row(
        "Predictions",
        (
            time_series(
                "Classes",
                "Share of each class among the predicted rows (classifiers).",
                "percentunit",
                Target(f"{total(rate(classes), 'class')} / ignoring(class) group_left {total(rate(classes))}", "{{class}}"),
                stacked=True,
                width=8,
            ),
            bar_gauge(
                "Scores",
                "Predicted rows by the highest class probability, over the time that is shown (classifiers with probabilities); "
                "each bar counts the rows up to its bound and above the one before.",
                "short",
                Target(grown(scores, "le"), "{{le}}", instant=True, form="heatmap"),
                width=8,
            ),
            time_series(
                "Predicted rows",
                "Rows predicted per second; a request can hold many.",
                "cps",
                Target(total(rate(rows), "model"), "{{model}}"),
                width=8,
            ),
        ),
    )
