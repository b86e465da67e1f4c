"""Alerts of drift where nothing but the drift service can tell of them, and what `status` shows of it."""

from __future__ import annotations

import json

import pytest
import yaml

from mlsandbox.actions.outcomes import DriftState, ModelDriftState, StatusResult
from mlsandbox.actions.stack_alerts import MINOR, PAGES, drift_alerts
from mlsandbox.actions.status import alert_warnings, drift_warnings
from mlsandbox.alerts import ActiveAlerts, parse_firing
from mlsandbox.assets import asset_path
from mlsandbox.output import Paint
from mlsandbox.views.status import status_text

from .test_drift_text import DRIFTED, finding, kind, model, report

PLAIN = Paint(on=False)


def test_names_and_summaries_are_those_of_the_rules() -> None:
    """With and without Prometheus an alert must be called the same, be as bad, and say the same."""
    (group,) = yaml.safe_load(asset_path("prometheus/rules/drift.yml").read_text("utf-8"))["groups"]
    rules = {rule["alert"]: (rule["annotations"]["summary"], rule["labels"]["severity"]) for rule in group["rules"]}

    for name, summary in PAGES.values():
        assert rules[name] == (summary, "warning")
    assert rules[MINOR[0]] == (MINOR[1], "info")


def test_what_pages_is_an_alert_with_its_columns() -> None:
    """A kind that pages must be one alert of its model, with the columns that the evidence points at."""
    (alert,) = drift_alerts(report(DRIFTED))

    assert (alert.name, alert.severity, alert.model, alert.since) == ("SandboxDriftDetected", "warning", "churn", None)
    assert alert.description == "churn v2: features changed, severity high, most of all in age."
    (told,) = alert_warnings(ActiveAlerts((alert,)))
    assert told.startswith("alert SandboxDriftDetected (warning, churn): Live data differs from the reference")
    assert told.endswith("what to do: sandbox help SandboxDriftDetected")


def test_kinds_of_the_same_alert_are_told_together() -> None:
    """Changed inputs and changed predictions must be one alert that names both."""
    kinds = [kind(name, finding(name), severity="high", certain=True, page=True) for name in ("features", "prediction")]

    (alert,) = drift_alerts(report(model(*kinds)))

    assert alert.description == (
        "churn v2: features changed, severity high, most of all in features; prediction changed, severity high, most of all in prediction."
    )


@pytest.mark.parametrize(("name", "alert"), [("outliers", "SandboxOutlierRows"), ("performance", "SandboxPerformanceDrop")])
def test_each_kind_has_its_alert(name: str, alert: str) -> None:
    """Odd rows and worse predictions must be told apart from changed columns."""
    found = drift_alerts(report(model(kind(name, finding(), severity="high", certain=True, page=True))))

    assert [each.name for each in found] == [alert]


def test_what_does_not_matter_is_for_information() -> None:
    """Certain and small must be told, behind what matters; what is neither, or of a version that went, must not."""
    small = kind("prediction", finding(severity="low"), severity="low", certain=True, settled=True)
    large = kind("features", finding(), severity="high", certain=True, page=True)
    former = model(large, current=False, version="v1")

    found = drift_alerts(report(model(small, large, kind("outliers")), former))

    assert [(each.name, each.severity) for each in found] == [("SandboxDriftDetected", "warning"), ("SandboxDriftMinor", "info")]
    assert drift_alerts(report(former)) == ()


def test_what_is_not_measured_yet_is_no_alert() -> None:
    """Right after an alarm its size is not known: it must not be called one that does not matter, only to matter seconds later."""
    young = kind("features", finding(severity=None), severity=None, certain=True)

    assert drift_alerts(report(model(young))) == ()
    assert [each.name for each in drift_alerts(report(model({**young, "page": True})))] == ["SandboxDriftDetected"]


def test_what_is_over_is_no_alert() -> None:
    """A change that mattered and is over must not be called one that never mattered, although it is not cleared yet."""
    over = kind("features", severity="none", certain=True, settled=True, over=True)

    assert drift_alerts(report(model(over))) == ()


def test_prometheus_tells_what_fires() -> None:
    """Of the answer of Prometheus only what fires is an alert; what waits for its time is not."""

    def entry(state: str, name: str) -> dict[str, object]:
        annotations = {"summary": "S", "description": "D", "runbook_url": "R"}
        labels = {"alertname": name, "severity": "warning", "model": "churn"}
        return {"state": state, "labels": labels, "annotations": annotations, "activeAt": "2026-01-01T10:00:00.123456789Z", "value": "1"}

    body = json.dumps({"status": "success", "data": {"alerts": [entry("firing", "Fires"), entry("pending", "Waits")]}}).encode()

    assert [(each.name, each.model, each.summary) for each in parse_firing(body)] == [("Fires", "churn", "S")]


def test_status_says_how_drift_is() -> None:
    """Below the addresses there must be a line for each model, with what the drift service says."""
    said = DriftState("steady", None, (ModelDriftState("churn", "v2", "steady", "No drift: the recent rows look like the reference."),))
    result = StatusResult("shop", "embedded", "healthy", "v2", None, {}, (), drift=said, warnings=("look",))

    assert status_text(result, PLAIN).splitlines()[1:] == [
        "",
        "  churn v2: No drift: the recent rows look like the reference.",
        "",
        "  attention: look",
    ]


def test_a_detector_that_cannot_be_used_is_named_in_a_line() -> None:
    """`status` must name it and where the reason is; what compares nothing wrong must not be named."""
    told = DriftState("steady", None, (), failed=("MMDDrift", "CVMDrift"))

    assert drift_warnings(told) == ("the drift engine alibi could not compare with MMDDrift, CVMDrift; why: sandbox drift",)
    assert drift_warnings(DriftState("steady", None)) == ()
