"""Drift: what has moved away from what the model was trained on, how good it still is, and whether somebody looks."""

from __future__ import annotations

from typing import Final

from dashboards import variables
from dashboards.frame import Json, Row
from dashboards.frame import dashboard as frame
from dashboards.metrics import Prometheus
from dashboards.panels import NO_DATA, Panel, Target, stat, state_timeline, table, time_series
from dashboards.promql import Selectors, grown, largest, rate, share, total
from mlsandbox_serving.contract import Metrics

_STATES: Final = ("none", "low", "medium", "high")
_COLOURS: Final = ("green", "yellow", "orange", "red")
_MOST_EVIDENCE: Final = 3
"""Evidence grows beyond all measure once there is drift; a line needs a top."""
_NO_LABELS: Final = "No labels yet"
# Predictions are counted by the model's own service: job and instance are those of all services.
_VARIABLES: Final = (
    variables.data_source(),
    *variables.targets(Prometheus.UP),
    variables.label("model", "Model", Metrics.DRIFT_WINDOW_ROWS),
    variables.label("version", "Version", Metrics.DRIFT_WINDOW_ROWS),
    variables.label("engine", "Engine", Metrics.DRIFT_WINDOW_ROWS),
)
_of = Selectors([each["name"] for each in _VARIABLES])
_KIND: Final = "model, version, engine, kind"
_KIND_LEGEND: Final = "{{model}} {{version}} {{engine}} {{kind}}"
_COLUMN: Final = "model, version, engine, kind, column"
_COLUMN_LEGEND: Final = "{{model}} {{version}} {{engine}} {{column}}"
_VERSION: Final = "{{model}} {{version}}"


def dashboard() -> Json:
    """The dashboard."""
    return frame(
        "drift",
        "Sandbox / Drift",
        "What moved away from the reference rows of the model, how good its predictions still are, and the checks that find it.",
        _VARIABLES,
        (_now(), _verdicts(), _columns(), _rows(), _performance(), _checks()),
    )


def _now() -> Row:
    return Row(
        "Now",
        (
            stat(
                "Worst column",
                "The worst column's drift from the reference.",
                "none",
                Target(largest(_of(Metrics.DRIFT_SEVERITY)), instant=True),
                limits={1: "yellow", 2: "orange", 3: "red"},
                texts=_STATES,
                empty=NO_DATA,
                width=4,
            ),
            stat(
                "Columns that matter",
                "Columns for which chance is ruled out and the change is large enough to alert.",
                "short",
                Target(total(_of(Metrics.DRIFT_DETECTED)), instant=True),
                limits={1: "red"},
                empty=NO_DATA,
                width=4,
            ),
            stat(
                "Alarms",
                "Kinds of change of which an engine is certain, whether they matter or not.",
                "short",
                Target(total(_of(Metrics.DRIFT_LATCHED)), instant=True),
                limits={1: "orange"},
                empty=NO_DATA,
                width=4,
            ),
            stat(
                "Outlying rows",
                "Share of the recent rows with a value that is out of range, unseen or missing.",
                "percentunit",
                Target(largest(_of(Metrics.DRIFT_ROW_SHARE, reason="any")), instant=True),
                empty=NO_DATA,
                width=4,
            ),
            stat(
                "Rows seen",
                "Rows that were compared with the reference in the time that is shown.",
                "short",
                Target(grown(_of(Metrics.DRIFT_ROWS)), instant=True),
                empty=NO_DATA,
                width=4,
            ),
            stat(
                "Last check",
                "Time since the last check ended.",
                "s",
                Target(f"time() - {largest(_of(Metrics.DRIFT_LAST_CHECK))}", instant=True),
                empty=NO_DATA,
                width=4,
            ),
        ),
    )


def _verdicts() -> Row:
    return Row(
        "Verdicts of the engines",
        (
            time_series(
                "Evidence of a change",
                f"How much speaks for a change; 1 raises an alarm, and all above {_MOST_EVIDENCE} is drawn as {_MOST_EVIDENCE}.",
                "none",
                Target(f"clamp_max({largest(_of(Metrics.DRIFT_EVIDENCE), _KIND)}, {_MOST_EVIDENCE})", _KIND_LEGEND),
                limit=1.0,
                empty=NO_DATA,
            ),
            state_timeline(
                "Alarms of each engine",
                "From an alarm until the change is over: inputs, predictions, values outside of the training data, performance.",
                ("no alarm", "certain"),
                ("green", "orange"),
                Target(largest(_of(Metrics.DRIFT_LATCHED), _KIND), _KIND_LEGEND),
                empty=NO_DATA,
                width=12,
            ),
        ),
    )


def _columns() -> Row:
    return Row(
        "Columns",
        (
            state_timeline(
                "Severity of each column",
                "How strongly each column has moved away from the reference.",
                _STATES,
                _COLOURS,
                Target(largest(_of(Metrics.DRIFT_SEVERITY), "model, version, column"), "{{model}} {{version}} {{column}}"),
                empty=NO_DATA,
                width=12,
            ),
            state_timeline(
                "Certainty",
                "Columns for which an engine rules chance out as the cause.",
                ("may be chance", "certain"),
                ("green", "orange"),
                Target(largest(_of(Metrics.DRIFT_CERTAIN), "model, version, engine, column"), _COLUMN_LEGEND),
                empty=NO_DATA,
                width=12,
            ),
            time_series(
                "Distance from the reference",
                "How far the values of a column are from those of the reference, above what chance explains, and from where on it matters.",
                "none",
                Target(largest(_of(Metrics.DRIFT_SCORE), "model, version, engine, column"), _COLUMN_LEGEND),
                Target(largest(_of(Metrics.DRIFT_THRESHOLD, engine="native"), "kind"), "{{kind}}: it matters"),
                empty=NO_DATA,
            ),
            time_series(
                "p-values",
                "Probability of such a distance by chance alone, of the engines that tell it, and from where down chance is ruled out.",
                "none",
                Target(f"min by (model, version, engine, column) ({_of(Metrics.DRIFT_P_VALUE)})", _COLUMN_LEGEND),
                Target(f"min by (kind) ({_of(Metrics.DRIFT_THRESHOLD, engine='alibi')})", "{{kind}}: chance is ruled out"),
                empty=NO_DATA,
            ),
            table(
                "Worst columns",
                "The twenty columns that are farthest from the reference.",
                "none",
                Target(f"topk(20, {largest(_of(Metrics.DRIFT_SCORE), _COLUMN)})", instant=True, form="table"),
                empty=NO_DATA,
                width=24,
            ),
        ),
    )


def _rows() -> Row:
    shares = largest(_of(Metrics.DRIFT_ROW_SHARE, reason="~out_of_range|unseen|missing"), "model, version, reason")
    outliers = largest(_of(Metrics.DRIFT_ROW_SHARE, reason="~any|isolation_forest"), "model, version, reason")
    predicted = rate(_of(Metrics.PREDICTIONS))
    return Row(
        "Rows",
        (
            time_series(
                "Values outside of the training data",
                "Share of the recent rows with a value that is out of range, unseen or missing.",
                "percentunit",
                Target(shares, "{{model}} {{version}} {{reason}}"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Outlying rows",
                "Share of the recent rows with any such value, and of those that an isolation forest calls odd as a whole.",
                "percentunit",
                Target(outliers, "{{model}} {{version}} {{reason}}"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Predictions by class",
                "Share of each class in what the model predicts.",
                "percentunit",
                Target(
                    f"{total(predicted, 'model, version, class')} / on (model, version) group_left () {total(predicted, 'model, version')}",
                    "{{model}} {{version}} {{class}}",
                ),
                stacked=True,
                width=8,
            ),
        ),
    )


def _performance() -> Row:
    labels, predictions = (
        largest(_of(metric, window="all"), "model, version") for metric in (Metrics.PERFORMANCE_LABELS, Metrics.PERFORMANCE_PREDICTIONS)
    )
    return Row(
        "Performance, by labels that came",
        (
            time_series(
                "Label coverage",
                "Share of the predictions that are kept whose labels have come.",
                "percentunit",
                Target(share(labels, predictions), _VERSION),
                empty=_NO_LABELS,
                width=6,
            ),
            _metrics(
                "Correct classes",
                "How often the class is right, on the whole and class by class.",
                "accuracy|balanced_accuracy|f1|f1_macro",
            ),
            _metrics("Ranking", "How well scores tell classes apart: area under the ROC curve.", "roc_auc|roc_auc_ovr"),
            _metrics("Error", "Brier score and log loss of probabilities, mean absolute and root mean squared error of numbers.", _ERRORS),
        ),
    )


_ERRORS: Final = "brier_score|log_loss|mean_absolute_error|root_mean_squared_error"


def _metrics(title: str, meaning: str, names: str) -> Panel:
    """Some numbers of how good predictions were, by version: of the last hour and of all that is kept."""
    series = largest(_of(Metrics.PERFORMANCE, metric=f"~{names}", window="~hour|all"), "model, version, window, metric")
    return time_series(title, meaning, "none", Target(series, f"{_VERSION} {{{{metric}}}} {{{{window}}}}"), empty=_NO_LABELS, width=6)


def _checks() -> Row:
    return Row(
        "Checks",
        (
            time_series(
                "Age of the last check",
                "Time since the last check ended; with few rows also an engine that waits for a whole window lets it grow.",
                "s",
                Target(f"time() - {largest(_of(Metrics.DRIFT_LAST_CHECK), 'model, engine')}", "{{model}} {{engine}}"),
                empty=NO_DATA,
                width=6,
            ),
            time_series(
                "Time of a check",
                "How long the last check took.",
                "s",
                Target(largest(_of(Metrics.DRIFT_CHECK_SECONDS), "model, engine"), "{{model}} {{engine}}"),
                empty=NO_DATA,
                width=6,
            ),
            time_series(
                "Checks by result",
                "Checks that ended per second.",
                "ops",
                Target(total(rate(_of(Metrics.DRIFT_CHECKS)), "engine, result"), "{{engine}} {{result}}"),
                empty=NO_DATA,
                width=6,
            ),
            time_series(
                "Errors of engines",
                "Rows per second that an engine could not compare; they say nothing about drift.",
                "cps",
                Target(total(rate(_of(Metrics.DRIFT_ENGINE_ERRORS)), "model, engine"), "{{model}} {{engine}}"),
                empty=NO_DATA,
                width=6,
            ),
            time_series(
                "Rows seen",
                "Rows per second that are compared with the reference.",
                "cps",
                Target(total(rate(_of(Metrics.DRIFT_ROWS)), "model, version"), _VERSION),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Rows at hand",
                "Rows of the window that severities are about, and of the reference; 0 while live rows become it.",
                "short",
                Target(largest(_of(Metrics.DRIFT_WINDOW_ROWS), "model, version, engine"), "{{model}} {{version}} {{engine}} window"),
                Target(largest(_of(Metrics.DRIFT_REFERENCE_ROWS), "model, version"), f"{_VERSION} reference"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Events by result",
                "Events per second that the drift service was given, by what became of them.",
                "cps",
                Target(total(rate(_of(Metrics.DRIFT_EVENTS)), "result"), "{{result}}"),
                empty=NO_DATA,
                width=8,
            ),
        ),
    )
