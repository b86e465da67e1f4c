"""What is told of a stack's alerts: by its Alertmanager, else by its Prometheus, else by its drift service itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from mlsandbox.actions.outcomes import DriftState, ModelDriftState
from mlsandbox.actions.sight import Sight
from mlsandbox.alerts import ActiveAlerts, Alert, active_alerts, firing_alerts, in_order
from mlsandbox.drift_status import DriftReport, KindVerdict, ModelDrift, as_served, drift_verdicts
from mlsandbox.errors import NotRunning
from mlsandbox.supervise.transition import State
from mlsandbox_serving.contract import Port

_TIMEOUT: Final = 3.0
"""Seconds for the drift service, which answers late when it takes many events in."""
_WORST_FIRST: Final = ("drift", "change", "learning", "waiting", "steady")
PAGES: Final = {
    "features": ("SandboxDriftDetected", "Live data differs from the reference that the model was trained on"),
    "prediction": ("SandboxDriftDetected", "Live data differs from the reference that the model was trained on"),
    "outliers": ("SandboxOutlierRows", "Rows hold values that the model was never trained on"),
    "performance": ("SandboxPerformanceDrop", "Labels show that the model predicts worse than it did on the reference"),
}
"""Name and summary of the alert that each kind of drift raises; those of `prometheus/rules/drift.yml`."""
MINOR: Final = ("SandboxDriftMinor", "Live data differs from the reference for certain, but too little to matter so far")
"""The same of a change that does not matter."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered.

    Args:
        asked: the alerts; None when nothing of this stack tells of any.
        drift: what the drift service says; None when there is none.
    """

    asked: ActiveAlerts | None
    drift: DriftState | None


def told(sight: Sight) -> Told:
    """Ask whoever knows; never raises for what happens there."""
    report, problem = _verdicts(sight)
    drift = _state(report) if report else None if problem is None else DriftState("unknown", None, reason=problem)
    asked = [
        ask(port) for page, ask in ((Port.ALERTMANAGER, active_alerts), (Port.PROMETHEUS, firing_alerts)) if (port := _port(sight, page))
    ]
    known = next((each for each in asked if each.problem is None), None)
    if known is None and report is not None:
        known = ActiveAlerts(drift_alerts(report))
    silent = next((each.problem for each in asked if each.problem), None)
    return Told(replace(known or ActiveAlerts(), problem=silent) if asked or known else None, drift)


def drift_alerts(report: DriftReport) -> tuple[Alert, ...]:
    """What the alert rules would say of the drift service's verdicts (pure)."""
    return in_order(alert for model in report.models if model.current for alert in _alerts(model))


def _alerts(model: ModelDrift) -> Iterator[Alert]:
    """One for each name, whatever number of kinds is behind it."""
    behind: dict[tuple[str, str], list[KindVerdict]] = {}
    for kind in model.kinds:
        if kind.page or (kind.certain and not (kind.young or kind.over)):
            behind.setdefault(PAGES[kind.kind] if kind.page else MINOR, []).append(kind)
    for (name, summary), kinds in behind.items():
        yield Alert(
            name=name,
            severity="warning" if kinds[0].page else "info",
            service=None,
            model=model.model,
            since=None,
            summary=summary,
            description=f"{model.model} {model.version}: {'; '.join(map(_changed, kinds))}.",
            runbook=f"docs/runbook.md#{name.lower()}",
        )


def _changed(kind: KindVerdict) -> str:
    columns = [each.name for each in kind.worst]
    named = f", most of all in {', '.join(columns)}" if columns else ""
    return f"{kind.kind} changed, severity {kind.severity or 'not known'}{named}"


def _verdicts(sight: Sight) -> tuple[DriftReport | None, str | None]:
    """What the drift service says, or why it says nothing; neither when there is none."""
    port = _port(sight, Port.DRIFT)
    service = sight.observed.service(Port.DRIFT.value)
    if port is None or service is None or service.state is not State.READY:
        return None, None  # the state of a service that is not ready is told anyway
    try:
        return as_served(drift_verdicts(port, timeout=_TIMEOUT), sight.served), None
    except NotRunning as error:
        return None, f"{error.what}{f': {error.why}' if error.why else ''}"


def _state(report: DriftReport) -> DriftState:
    models = tuple(ModelDriftState(each.model, each.version, each.state, each.sentence) for each in report.models if each.current)
    worst = min(
        (each.state for each in models), key=lambda state: _WORST_FIRST.index(state) if state in _WORST_FIRST else 0, default="waiting"
    )
    failed = dict.fromkeys(name for each in report.models if each.current and each.opinion is not None for name in each.opinion.problems)
    return DriftState(worst, report.time, models, silent=report.silent, failed=tuple(failed))


def _port(sight: Sight, page: Port) -> int | None:
    """Of a service that runs."""
    url = sight.links.get(page)
    return urlsplit(url).port if url else None
