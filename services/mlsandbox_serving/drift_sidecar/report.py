"""Verdicts as JSON values: what /status and /report answer, and what the page is made of."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from mlsandbox_serving.drift import ColumnFinding, Kind, KindVerdict, Severity, Verdict
from mlsandbox_serving.drift.window import FEWEST_ROWS, WINDOW_ROWS
from mlsandbox_serving.drift_sidecar.exported import detected, is_certain, told_columns, worst_columns
from mlsandbox_serving.drift_sidecar.opinion import MOST_SHOWN as OPINION_COLUMNS
from mlsandbox_serving.drift_sidecar.opinion import opinion
from mlsandbox_serving.drift_sidecar.settings import NATIVE, Settings
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.performance import Performance

Json = dict[str, Any]

MOST_SHOWN: Final = 200
"""Columns of a report, the worst first."""
_WORST: Final = 5
_NANOSECONDS: Final = 10**9
_CLEARED: Final = f"That takes {2 * WINDOW_ROWS:,} rows like the reference."
_REFERENCES: Final = {"given": "given with the model", "live": "made of the first live rows"}
_OF_KIND: Final = {
    Kind.FEATURES: "inputs",
    Kind.PREDICTION: "predictions",
    Kind.OUTLIERS: "values outside of the training data",
    Kind.PERFORMANCE: "labels and errors",
}


def status(settings: Settings, seen: Sequence[Seen], performance: Sequence[Performance], engines: Sequence[Json]) -> Json:
    """The verdicts; `engines` says of each engine whether it works."""
    return {
        "time": _instant(time.time()),
        "check_seconds": settings.check_seconds,
        "rows_between_false_alarms": settings.monitor.rows_between_false_alarms,
        "engines": list(engines),
        "models": [_model(each, performance) for each in seen],
    }


def report(settings: Settings, seen: Sequence[Seen], performance: Sequence[Performance], engines: Sequence[Json]) -> Json:
    """The verdicts, and what each column looks like."""
    document = status(settings, seen, performance, engines)
    for model, each in zip(document["models"], seen, strict=True):
        model["columns"] = _columns(each)
        model["columns_not_shown"] = max(len(each.histograms) - MOST_SHOWN, 0)
        model["alibi"] = None if each.second is None else opinion(each.second, OPINION_COLUMNS)
    return document


def _model(seen: Seen, performance: Sequence[Performance]) -> Json:
    verdict = seen.verdict
    state, sentence = _said(seen)
    rates = verdict.outliers
    return {
        "model": seen.source.model,
        "version": seen.source.version,
        "current": seen.current,
        "engine": NATIVE,
        "state": state,
        "sentence": sentence,
        "rows": verdict.rows,
        "window_rows": seen.window_rows,
        "last_event": _instant(seen.last_event / _NANOSECONDS) if seen.last_event else None,
        "reference": {
            "rows": verdict.reference_rows,
            "source": verdict.reference_source,
            "words": seen.baseline.words if seen.baseline is not None else _REFERENCES[verdict.reference_source],
            "baseline": None if seen.baseline is None else seen.baseline._asdict(),
            "rows_to_learn": verdict.learning,
            "problem": seen.problem,
        },
        "evidence": _finite(verdict.statistic / verdict.budget),
        "alarms": verdict.alarms,
        "last_alarm_row": verdict.last_alarm,
        "row_shares": {"out_of_range": rates.out_of_range, "unseen": rates.unseen, "missing": rates.missing, "any": rates.any},
        "extra_columns": dict(verdict.extra_columns),
        "rows_without_inputs": verdict.rows_without_inputs,
        "left_out": dict(verdict.left_out),
        "kinds": [_kind(verdict, kind) for kind in verdict.kinds],
        "alibi": None if seen.second is None else opinion(seen.second, _WORST),
        "performance": [_performance(each) for each in performance if (each.model, each.version) == seen.source],
    }


def _said(seen: Seen) -> tuple[str, str]:
    """One word and one sentence for all of it."""
    verdict = seen.verdict
    paging = [kind for kind in verdict.kinds if kind.page]
    certain = [kind for kind in verdict.kinds if kind.certain]
    if verdict.learning:
        return (
            "learning",
            f"The first live rows become the reference: {verdict.learning} are still to come. Nothing is compared until then.",
        )
    if paging:
        return "drift", f"Live data differs from the reference, more than chance explains and enough to matter: {_listed(paging)}."
    if certain:
        return "change", _of_certain(certain)
    if not verdict.rows:
        return "waiting", "No rows were compared with the reference yet."
    if verdict.rows < FEWEST_ROWS:
        return "steady", f"No drift so far; {_rows(verdict.rows)} compared, and sizes are known from {FEWEST_ROWS} on."
    return "steady", "No drift: the recent rows look like the reference."


def _of_certain(certain: Sequence[KindVerdict]) -> str:
    """What is certain and calls nobody: too little, not measured yet, or over."""
    young = [kind for kind in certain if kind.young]
    over = [kind for kind in certain if kind.over]
    small = [kind for kind in certain if not (kind.young or kind.over)]
    if len(over) == len(certain):
        return f"A change is over, not yet cleared: {_listed(over)}. {_CLEARED}"
    known = "".join(f" {kind.kind.value.capitalize()}: {kind.informational}." for kind in certain if kind.informational)
    little = f", too little to matter so far: {_listed(small)}" if small else ""
    new = f"{';' if small else ':'} {_listed(young)} (how much will be known {FEWEST_ROWS} rows after the alarm)" if young else ""
    past = f" Over, not yet cleared: {_listed(over)}." if over else ""
    return f"Live data differs from the reference for certain{little}{new}.{known}{past}"


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count} rows were"


def _listed(kinds: Iterable[KindVerdict]) -> str:
    return ", ".join(_OF_KIND[kind.kind] for kind in kinds)


def _kind(verdict: Verdict, kind: KindVerdict) -> Json:
    columns = detected(verdict, kind)
    return {
        "kind": kind.kind.value,
        "severity": _severity(kind, kind.severity),
        "rows": kind.rows,
        "rows_needed": FEWEST_ROWS,
        "certain": kind.certain,
        "settled": kind.settled,
        "over": kind.over,
        "page": kind.page,
        "informational": kind.informational,
        "evidence": _finite(kind.statistic / verdict.budget),
        "since_row": kind.since,
        "alarms": kind.alarms,
        "worst": [_finding(verdict, kind, one, columns) for one in told_columns(verdict, kind)[:_WORST]],
    }


def _severity(kind: KindVerdict, severity: Severity | None) -> str | None:
    return None if severity is None or kind.young else severity.name.lower()


def _finding(verdict: Verdict, kind: KindVerdict, finding: ColumnFinding, columns: set[str]) -> Json:
    return {
        "column": finding.column,
        "severity": _severity(kind, finding.severity),
        "rows": finding.rows,
        "certain": is_certain(verdict, kind, finding),
        "detected": finding.column in columns,
        "evidence": _finite(finding.statistic / verdict.budget),
        "psi": _finite(finding.psi),
        "js": _finite(finding.js),
        "wasserstein": _finite(finding.wasserstein),
        "shift": _finite(finding.shift),
        "excess": _finite(finding.excess),
        "explanation": finding.explanation,
    }


def _columns(seen: Seen) -> list[Json]:
    """Every distribution with what is said of it, the worst column first."""
    verdict = seen.verdict
    said: dict[str, list[Json]] = {}
    for kind, finding in worst_columns(verdict, most=len(seen.histograms) + sum(len(kind.worst) for kind in verdict.kinds)):
        said.setdefault(finding.column, []).append({"kind": kind.kind.value, **_finding(verdict, kind, finding, detected(verdict, kind))})
    rank = {name: place for place, name in enumerate(said)}
    ordered = sorted(seen.histograms, key=lambda histogram: rank.get(histogram.column, len(rank)))
    return [
        {
            "column": histogram.column,
            "kind": histogram.kind.value,
            "rows": histogram.rows,
            "cells": list(histogram.cells),
            "reference": [_finite(share) for share in histogram.reference],
            "recent": [_finite(share) for share in histogram.recent],
            "findings": said.get(histogram.column, []),
        }
        for histogram in ordered[:MOST_SHOWN]
    ]


def _performance(each: Performance) -> Json:
    return {
        "window": each.window.value,
        "predictions": each.predictions,
        "labels": each.labels,
        "unusable": each.unusable,
        "coverage": each.coverage,
        "metrics": {name: _finite(value) for name, value in each.metrics.items()},
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _instant(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None
