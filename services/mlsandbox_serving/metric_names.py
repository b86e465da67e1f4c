"""Every metric that our services expose, in Prometheus' naming; a part of the contract, which others import from there.

Standard library only, as the contract itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MetricType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: Prometheus name, type, help text, labels, and for histograms the upper bounds of the buckets."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SECONDS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MODEL_SECONDS: Final = (0.00005, 0.0001, *_SECONDS)
_BODY_BYTES: Final = (100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0, 100_000_000.0)
_REQUESTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_ROWS: Final = (1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 50_000.0, 100_000.0)
_SCORES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_MODEL: Final = ("model", "version")
_ENGINE: Final = (*_MODEL, "engine")
_KIND: Final = (*_ENGINE, "kind")
_COLUMN: Final = (*_KIND, "column")


class Metrics:
    """All metrics that our services expose. `class` shares and scores have bounded labels: never ids, never raw values."""

    REQUESTS: Final = Metric("sandbox_requests_total", "counter", "Requests answered.", (*_MODEL, "route", "code"))
    REQUEST_SECONDS: Final = Metric(
        "sandbox_request_duration_seconds",
        "histogram",
        "Time from the first byte of a request to its answer.",
        (*_MODEL, "route"),
        _SECONDS,
    )
    IN_FLIGHT: Final = Metric("sandbox_requests_in_flight", "gauge", "Requests being answered now.", _MODEL)
    QUEUED: Final = Metric("sandbox_requests_queued", "gauge", "Requests that wait for the model now.", _MODEL)
    LIMIT: Final = Metric("sandbox_requests_limit", "gauge", "Requests that are taken at once; more are refused with 503.", _MODEL)
    REQUEST_BYTES: Final = Metric(
        "sandbox_request_body_bytes", "histogram", "Bytes of a request's body that were read.", (*_MODEL, "route"), _BODY_BYTES
    )
    RESPONSE_BYTES: Final = Metric(
        "sandbox_response_body_bytes", "histogram", "Bytes of an answer's body.", (*_MODEL, "route"), _BODY_BYTES
    )
    BATCH_ROWS: Final = Metric("sandbox_batch_rows", "histogram", "Rows of one call of the model.", _MODEL, _ROWS)
    BATCH_REQUESTS: Final = Metric("sandbox_batch_requests", "histogram", "Requests answered by one call of the model.", _MODEL, _REQUESTS)
    MODEL_SECONDS: Final = Metric("sandbox_model_duration_seconds", "histogram", "Time of one call of the model.", _MODEL, _MODEL_SECONDS)
    MODEL_COST: Final = Metric(
        "sandbox_model_cost_seconds", "gauge", "Time of one call of the model with so many rows, measured at its start.", (*_MODEL, "rows")
    )
    REQUEST_ROWS: Final = Metric("sandbox_request_rows", "histogram", "Rows per prediction request.", _MODEL, _ROWS)
    PREDICTIONS: Final = Metric(
        "sandbox_predictions_total", "counter", "Predicted rows by class; classes past the first twenty are 'other'.", (*_MODEL, "class")
    )
    PREDICTION_SCORE: Final = Metric(
        "sandbox_prediction_score", "histogram", "Highest class probability of a row (classifiers with probabilities).", _MODEL, _SCORES
    )
    EVENTS_WRITTEN: Final = Metric("sandbox_events_written_total", "counter", "Events appended to the spool.", _MODEL)
    EVENTS_DROPPED: Final = Metric(
        "sandbox_events_dropped_total", "counter", "Events lost before any sink acknowledged them.", (*_MODEL, "reason")
    )
    MODEL_INFO: Final = Metric(
        "sandbox_model_info", "gauge", "Constant 1, labelled with what is being served.", (*_MODEL, "digest", "kind")
    )
    MODEL_READY: Final = Metric("sandbox_model_ready", "gauge", "1 once the golden rows were reproduced, else 0.", _MODEL)
    MODEL_CHAMPION: Final = Metric(
        "sandbox_model_champion", "gauge", "1 where this version answers clients, 0 where it runs beside that one; only in a stack.", _MODEL
    )
    GOLDEN_ROWS: Final = Metric("sandbox_golden_rows", "gauge", "Golden rows by how they were reproduced.", (*_MODEL, "result"))
    CHALLENGER_REQUESTS: Final = Metric(
        "sandbox_challenger_requests_total",
        "counter",
        "Requests for a challenger (split), or copies for it (shadow), by what became of them; counted by the champion.",
        (*_MODEL, "challenger", "mode", "result"),
    )
    CHALLENGER_SECONDS: Final = Metric(
        "sandbox_challenger_duration_seconds",
        "histogram",
        "Time in which a challenger answered its champion.",
        (*_MODEL, "challenger", "mode"),
        _SECONDS,
    )
    SHADOW_ROWS: Final = Metric(
        "sandbox_shadow_rows_total",
        "counter",
        "Rows of copied requests by whether champion and challenger predict the same.",
        (*_MODEL, "challenger", "result"),
    )
    EVENTS_SHIPPED: Final = Metric("sandbox_events_shipped_total", "counter", "Events acknowledged by a sink.", ("model", "sink"))
    SHIP_FAILURES: Final = Metric(
        "sandbox_event_ship_failures_total", "counter", "Deliveries to a sink that failed and are tried again.", ("model", "sink")
    )
    SPOOL_BYTES: Final = Metric("sandbox_spool_bytes", "gauge", "Bytes of the spool on disk.", ("model",))
    SPOOL_PENDING_BYTES: Final = Metric(
        "sandbox_spool_pending_bytes", "gauge", "Bytes that a sink has not acknowledged.", ("model", "sink")
    )
    LOG_STORE_EVENTS: Final = Metric(
        "sandbox_log_store_events_total", "counter", "Events received by the log store, by what became of them.", ("result",)
    )
    LOG_STORE_BYTES: Final = Metric("sandbox_log_store_bytes", "gauge", "Size of the log store on disk.")
    LOG_STORE_CORRUPTIONS: Final = Metric(
        "sandbox_log_store_corruptions_total", "counter", "Databases found damaged, moved aside and begun anew since the log store's start."
    )
    DRIFT_SCORE: Final = Metric("sandbox_drift_score", "gauge", "Distance of a column from its reference, above the noise.", _COLUMN)
    DRIFT_SEVERITY: Final = Metric("sandbox_drift_severity", "gauge", "0 none, 1 low, 2 medium, 3 high.", _COLUMN)
    DRIFT_CERTAIN: Final = Metric("sandbox_drift_certain", "gauge", "1 when chance is ruled out.", _COLUMN)
    DRIFT_DETECTED: Final = Metric(
        "sandbox_drift_detected", "gauge", "1 when chance is ruled out and the change matters, until it is over.", _COLUMN
    )
    DRIFT_P_VALUE: Final = Metric(
        "sandbox_drift_p_value", "gauge", "Probability of such a distance by chance, of engines that tell it.", _COLUMN
    )
    DRIFT_THRESHOLD: Final = Metric(
        "sandbox_drift_threshold",
        "gauge",
        "Where it begins: the score from which a change matters (native), the p-value below which chance is ruled out (alibi).",
        _KIND,
    )
    DRIFT_EVIDENCE: Final = Metric(
        "sandbox_drift_evidence_ratio", "gauge", "Evidence of a change as a part of what raises an alarm; 1 raises it.", _KIND
    )
    DRIFT_LATCHED: Final = Metric(
        "sandbox_drift_alarm", "gauge", "1 from an alarm until the change is over, whether it matters or not.", _KIND
    )
    DRIFT_MEASURING: Final = Metric(
        "sandbox_drift_measuring",
        "gauge",
        "1 from an alarm until it is known how large the change is, and when one that mattered is over, until it is cleared.",
        _KIND,
    )
    DRIFT_ALARMS: Final = Metric("sandbox_drift_alarms_total", "counter", "Times that the evidence went over the budget.", _ENGINE)
    DRIFT_ROWS: Final = Metric("sandbox_drift_rows_total", "counter", "Rows compared with the reference so far.", _MODEL)
    DRIFT_WINDOW_ROWS: Final = Metric("sandbox_drift_window_rows", "gauge", "Rows that were compared.", _ENGINE)
    DRIFT_REFERENCE_ROWS: Final = Metric(
        "sandbox_drift_reference_rows", "gauge", "Rows of the reference; 0 while live rows become it.", (*_MODEL, "source")
    )
    DRIFT_ROW_SHARE: Final = Metric(
        "sandbox_drift_row_ratio",
        "gauge",
        "Share of the recent rows with a value that is out of range, unseen or missing.",
        (*_MODEL, "reason"),
    )
    DRIFT_LAST_CHECK: Final = Metric("sandbox_drift_last_check_timestamp_seconds", "gauge", "Unix time of the last check.", _ENGINE)
    DRIFT_CHECK_INTERVAL: Final = Metric("sandbox_drift_check_interval_seconds", "gauge", "Seconds from one check to the next.", _ENGINE)
    DRIFT_CHECK_SECONDS: Final = Metric("sandbox_drift_check_duration_seconds", "gauge", "How long the last check took.", _ENGINE)
    DRIFT_CHECKS: Final = Metric("sandbox_drift_checks_total", "counter", "Checks by how they ended.", (*_ENGINE, "result"))
    DRIFT_ENGINE_ERRORS: Final = Metric("sandbox_drift_engine_errors_total", "counter", "Rows that an engine failed on.", _ENGINE)
    DRIFT_EVENTS: Final = Metric(
        "sandbox_drift_events_total", "counter", "Events received by the drift service, by what became of them.", ("result",)
    )
    DRIFT_STATE_CORRUPTIONS: Final = Metric(
        "sandbox_drift_state_corruptions_total", "counter", "States found damaged and begun anew since the drift service's start."
    )
    PERFORMANCE: Final = Metric("sandbox_performance", "gauge", "How well labels were predicted.", (*_MODEL, "window", "metric"))
    PERFORMANCE_PREDICTIONS: Final = Metric(
        "sandbox_performance_predictions", "gauge", "Predicted rows in a window of time.", (*_MODEL, "window")
    )
    PERFORMANCE_LABELS: Final = Metric("sandbox_performance_labels", "gauge", "Those of them that have a label.", (*_MODEL, "window"))


def all_metrics() -> tuple[Metric, ...]:
    """Every metric of the contract, in the order of its definition."""
    return tuple(value for value in vars(Metrics).values() if isinstance(value, Metric))
