"""Drift: which columns have moved away from what the model was trained on, and whether that is still being checked."""

from __future__ import annotations

from typing import Final

from dashboards import variables
from dashboards.frame import Json, Row
from dashboards.frame import dashboard as frame
from dashboards.panels import NO_DATA, Target, stat, state_timeline, table, time_series
from dashboards.promql import Selectors, largest, rate, total
from mlsandbox_serving.contract import Metrics

_STATES: Final = ("none", "low", "medium", "high")
_COLOURS: Final = ("green", "yellow", "orange", "red")
_VARIABLES: Final = (
    variables.data_source(),
    *variables.targets(Metrics.DRIFT_SEVERITY),
    variables.label("model", "Model", Metrics.DRIFT_SEVERITY),
    variables.label("version", "Version", Metrics.DRIFT_SEVERITY),
    variables.label("engine", "Engine", Metrics.DRIFT_SEVERITY),
)
_of = Selectors([each["name"] for each in _VARIABLES])
_LEGEND: Final = "{{model}} {{column}}"


def dashboard() -> Json:
    """The dashboard."""
    return frame(
        "drift",
        "Sandbox / Drift",
        "Columns that moved away from the reference rows of the model, and the checks that find them.",
        _VARIABLES,
        (_now(), _columns(), _checks()),
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
                width=6,
            ),
            stat(
                "Columns that certainly drifted",
                "Columns for which chance is ruled out as the cause of their distance from the reference.",
                "short",
                Target(total(_of(Metrics.DRIFT_CERTAIN)), instant=True),
                limits={1: "orange"},
                empty=NO_DATA,
                width=6,
            ),
            stat(
                "Last check",
                "Time since the last check ended.",
                "s",
                Target(f"time() - {largest(_of(Metrics.DRIFT_LAST_CHECK))}", instant=True),
                empty=NO_DATA,
                width=6,
            ),
            stat(
                "Rows compared",
                "Rows that the last check compared with the reference.",
                "short",
                Target(largest(_of(Metrics.DRIFT_WINDOW_ROWS))),
                empty=NO_DATA,
                width=6,
            ),
        ),
    )


def _columns() -> Row:
    column = "model, version, engine, column"
    return Row(
        "Columns",
        (
            state_timeline(
                "State of each column",
                "How strongly each column has moved away from the reference.",
                _STATES,
                _COLOURS,
                Target(largest(_of(Metrics.DRIFT_SEVERITY), "model, column"), _LEGEND),
                empty=NO_DATA,
            ),
            time_series(
                "Distance from the reference",
                "How far the values of a column are from those of the reference, above what chance explains.",
                "none",
                Target(largest(_of(Metrics.DRIFT_SCORE), "model, column"), _LEGEND),
                empty=NO_DATA,
            ),
            table(
                "Columns that moved most",
                "The twenty columns that are farthest from the reference.",
                "none",
                Target(f"topk(20, {largest(_of(Metrics.DRIFT_SCORE), column)})", instant=True, form="table"),
                empty=NO_DATA,
            ),
            state_timeline(
                "Certainty",
                "Columns for which chance is ruled out as the cause.",
                ("may be chance", "certain"),
                ("green", "orange"),
                Target(largest(_of(Metrics.DRIFT_CERTAIN), "model, column"), _LEGEND),
                empty=NO_DATA,
                width=12,
            ),
            time_series(
                "p-values",
                "Probability of such a distance by chance alone, of the engines that tell it.",
                "none",
                Target(f"min by (model, column) ({_of(Metrics.DRIFT_P_VALUE)})", _LEGEND),
                empty=NO_DATA,
            ),
        ),
    )


def _checks() -> Row:
    return Row(
        "Checks",
        (
            time_series(
                "Checks by result",
                "Checks that ended per second.",
                "ops",
                Target(total(rate(_of(Metrics.DRIFT_CHECKS)), "engine, result"), "{{engine}} {{result}}"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Time of a check",
                "How long the last check took.",
                "s",
                Target(largest(_of(Metrics.DRIFT_CHECK_SECONDS), "model, engine"), "{{model}} {{engine}}"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Age of the last check",
                "Time since the last check ended; it grows when checks stop.",
                "s",
                Target(f"time() - {largest(_of(Metrics.DRIFT_LAST_CHECK), 'model, engine')}", "{{model}} {{engine}}"),
                empty=NO_DATA,
                width=8,
            ),
        ),
    )
