"""What alibi says of one source, as JSON values: a word, a sentence, and the last window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from mlsandbox_serving.drift_alibi import ColumnResult, Status, Verdict, WindowResult

Json = dict[str, Any]

MOST_SHOWN: Final = 50
"""Columns of a report, the most improbable first."""
_NAMED: Final = 5


def opinion(verdict: Verdict, most_columns: int) -> Json:
    """All of it.

    Args:
        verdict: of the engine.
        most_columns: of the last window, the most improbable ones.
    """
    state, sentence = _said(verdict)
    if verdict.reference_problem is not None:
        sentence = f"{sentence} It compares with the first live rows: {verdict.reference_problem}."
    return {
        "state": state,
        "sentence": sentence,
        "rows": verdict.rows,
        "reference": {"rows": verdict.reference_rows, "rows_to_learn": verdict.learning, "problem": verdict.reference_problem},
        "window_rows": verdict.window_rows,
        "windows": verdict.windows,
        "waiting_windows": verdict.waiting,
        "dropped_rows": verdict.dropped,
        "failed_rows": verdict.failed,
        "alarms": verdict.alarms,
        "last_alarm_row": verdict.last_alarm,
        "latched": [{"kind": each.kind.value, "since_row": each.since, "alarms": each.alarms} for each in verdict.latched],
        "window": None if verdict.window is None else _window(verdict.window, most_columns),
        "unusable_detectors": dict(verdict.problems),
        "left_out": dict(verdict.left_out),
    }


def _said(verdict: Verdict) -> tuple[str, str]:
    """One word and one sentence; where it could not compare, it does not say that there is no drift."""
    window = verdict.window
    if verdict.status is Status.FAILED:
        return "failed", f"It compares nothing: {verdict.problem}."
    if verdict.learning:
        return "learning", f"Live rows become its reference: {verdict.learning:,} are still to come."
    if verdict.status is Status.LOADING:
        return "loading", "It is being started; rows wait for it."
    if window is None:
        return "waiting", f"Its first window of {verdict.window_rows:,} rows is not compared yet."
    return _said_of(window, [each.kind.value for each in verdict.latched])


def _said_of(window: WindowResult, latched: Sequence[str]) -> tuple[str, str]:
    """The same of the last window; `latched` are the kinds of alarms that are not over."""
    drifted = [each.column for each in window.columns if each.drifted] + [each.name for each in window.detectors if each.drifted]
    if drifted:
        return "drift", f"The last window differs from the reference, more than chance explains: {_listed(drifted)}."
    if window.problems:
        return "incomplete", f"Of the last window this could not be compared, and nothing is said of it: {_listed(list(window.problems))}."
    if latched:
        return "drift", f"The last window looks like the reference, but one just before it differs: {_listed(latched)}."
    return "steady", "No drift: the last window looks like the reference."


def _listed(names: Sequence[str]) -> str:
    shown = list(dict.fromkeys(names))
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more


def _window(window: WindowResult, most_columns: int) -> Json:
    outliers = window.outliers
    return {
        "last_row": window.last_row,
        "ended": datetime.fromtimestamp(window.ended, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": window.seconds,
        "drifted": window.drifted,
        "columns": [_column(each) for each in window.columns[:most_columns]],
        "columns_not_shown": max(len(window.columns) - most_columns, 0),
        "detectors": [
            {
                "name": each.name,
                "p_value": _finite(each.p_value),
                "distance": _finite(each.distance),
                "threshold": _finite(each.threshold),
                "drifted": each.drifted,
            }
            for each in window.detectors
        ],
        "outliers": None
        if outliers is None
        else {"odd": outliers.odd, "missing": outliers.missing, "any": outliers.any, "expected": outliers.expected},
        "problems": dict(window.problems),
    }


def _column(each: ColumnResult) -> Json:
    return {
        "column": each.column,
        "kind": each.kind.value,
        "method": each.method.value,
        "rows": each.rows,
        "p_value": _finite(each.p_value),
        "distance": _finite(each.distance),
        "threshold": each.threshold,
        "drifted": each.drifted,
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
