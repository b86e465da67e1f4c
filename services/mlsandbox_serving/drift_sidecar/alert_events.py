"""The events of alerts: what changed since it was last told (pure)."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mlsandbox_serving.contract import ECS_VERSION, Action, Dataset, Field
from mlsandbox_serving.drift import ColumnFinding, Kind, KindVerdict, Severity
from mlsandbox_serving.drift_sidecar.exported import is_certain, told_columns
from mlsandbox_serving.drift_sidecar.settings import NATIVE, Source
from mlsandbox_serving.drift_sidecar.told import Change, Standing
from mlsandbox_serving.drift_sidecar.watches import Seen
from mlsandbox_serving.record import instant

SERVICE: Final = "drift"
_WORST: Final = 5
_UNKNOWN: Final = "how much is not known yet"
_WORDS: Final = {Action.RAISED: "drift raised", Action.ESCALATED: "drift escalated", Action.CLEARED: "drift cleared"}


def changes(told: Mapping[Kind, Standing], seen: Seen, time: float) -> list[Change]:
    """What became of the alerts of a source, with the events that tell it.

    Args:
        told: the alerts that stand, as they were last told.
        seen: how it is now.
        time: epoch seconds now.
    """
    found = []
    for kind in seen.verdict.kinds:
        before = told.get(kind.kind)
        now = None if kind.since is None else Standing(kind.since if before is None else before.since, kind.page)
        action = _action(before, now)
        standing = now or before
        if action is not None and standing is not None:
            found.append(Change(kind.kind, now, _record(seen, kind, action, since=standing.since, time=time)))
    return found


def ends(source: Source, told: Mapping[Kind, Standing], time: float) -> list[Change]:
    """The end of the alerts of a source that nobody asks any more, with the events that tell it.

    Args:
        source: that is served no longer.
        told: its alerts that stand.
        time: epoch seconds now.
    """
    return [Change(kind, None, _ended(source, kind, standing.since, time)) for kind, standing in told.items()]


def common(source: Source, dataset: str, action: str, time: float) -> dict[str, Any]:
    """The fields that every event of the drift service has, but for its id and its kind.

    Args:
        source: that it is about.
        dataset: one of `contract.Dataset`.
        action: one of `contract.Action`.
        time: epoch seconds.
    """
    return {
        Field.TIMESTAMP: instant(time),
        Field.ECS_VERSION: ECS_VERSION,
        Field.EVENT_ACTION: action,
        Field.EVENT_DATASET: dataset,
        Field.SERVICE_NAME: SERVICE,
        Field.MODEL: source.model,
        Field.VERSION: source.version,
        Field.DRIFT_ENGINE: NATIVE,
    }


def _action(before: Standing | None, now: Standing | None) -> str | None:
    if before is None:
        return None if now is None else Action.RAISED
    if now is None:
        return Action.CLEARED
    return Action.ESCALATED if now.page and not before.page else None


def _record(seen: Seen, kind: KindVerdict, action: str, *, since: int, time: float) -> dict[str, Any]:
    rows = max(seen.verdict.rows - since, 0)  # fewer rows than before: the service began anew
    stands = action != Action.CLEARED
    worst = told_columns(seen.verdict, kind)[:_WORST] if stands else []
    return {
        **common(seen.source, Dataset.DRIFT, action, time),
        Field.EVENT_ID: uuid.uuid4().hex,
        Field.EVENT_KIND: "alert",
        Field.LEVEL: "warning" if stands and kind.page else "info",
        Field.MESSAGE: f"{_WORDS[action]}: {_said(kind, worst) if stands else f'{kind.kind.value}, after {rows:,} rows'}",
        Field.DRIFT_KIND: kind.kind.value,
        Field.DRIFT_SEVERITY: _severity(kind, kind.severity),
        Field.DRIFT_CERTAIN: kind.certain,
        Field.DRIFT_PAGE: kind.page,
        Field.DRIFT_SINCE: since,
        Field.DRIFT_ROWS_SINCE: rows,
        Field.DRIFT_COLUMNS: [one.column for one in worst],
        Field.DRIFT_FINDINGS: [_finding(seen, kind, one) for one in worst],
    }


def _ended(source: Source, kind: Kind, since: int, time: float) -> dict[str, Any]:
    return {
        **common(source, Dataset.DRIFT, Action.CLEARED, time),
        Field.EVENT_ID: uuid.uuid4().hex,
        Field.EVENT_KIND: "alert",
        Field.LEVEL: "info",
        Field.MESSAGE: f"{_WORDS[Action.CLEARED]}: {kind.value}, no longer served",
        Field.DRIFT_KIND: kind.value,
        Field.DRIFT_CERTAIN: False,
        Field.DRIFT_PAGE: False,
        Field.DRIFT_SINCE: since,
        Field.DRIFT_COLUMNS: [],
        Field.DRIFT_FINDINGS: [],
    }


def _said(kind: KindVerdict, worst: Iterable[ColumnFinding]) -> str:
    if kind.young:
        return ", ".join([kind.kind.value, _UNKNOWN, *(one.column for one in worst)])
    columns = ", ".join(f"{one.column}{_size(kind.kind, one)}" for one in worst)
    known = kind.informational or ("" if kind.page else "too little to matter so far")
    return f"{kind.kind.value}, {_severity(kind, kind.severity)}{f' ({known})' if known else ''}{f', {columns}' if columns else ''}"


def _severity(kind: KindVerdict, severity: Severity | None) -> str:
    return "unknown" if severity is None or kind.young else severity.name.lower()


def _size(kind: Kind, finding: ColumnFinding) -> str:
    """The one number that says most about a column, with the direction where there is one."""
    if finding.excess is not None and kind is Kind.OUTLIERS:
        return f" ({finding.excess * 100:+.1f} points)"
    if finding.shift is not None and math.isfinite(finding.shift):
        return f" ({finding.shift:+.2f} sd)"
    return "" if finding.psi is None else f" (PSI {finding.psi:.2f})"


def _finding(seen: Seen, kind: KindVerdict, finding: ColumnFinding) -> dict[str, Any]:
    return {
        "column": finding.column,
        "severity": _severity(kind, finding.severity),
        "certain": is_certain(seen.verdict, kind, finding),
        "psi": _finite(finding.psi),
        "js": _finite(finding.js),
        "wasserstein_sd": _finite(finding.wasserstein),
        "shift_sd": _finite(finding.shift),
        "excess": _finite(finding.excess),
        "explanation": finding.explanation,
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
