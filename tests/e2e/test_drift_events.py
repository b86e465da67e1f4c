"""What the drift service tells, as `sandbox logs` shows it."""

from __future__ import annotations

from typing import Any

from mlsandbox_serving.contract import Action, Field
from support.sandbox import DRIFT, Sandbox, post
from support.waiting import wait_for

ODD = {"age": 1_000_000.0, "children": 1, "plan": "basic", "postcode": "00017"}


def test_flagged_rows_and_alerts_must_be_in_the_logs(saved: Sandbox) -> None:
    """A row out of range must be found by its request's id, with the reason, and an alert with the column that it is about."""
    saved.extra = {**saved.extra, **DRIFT, "SANDBOX_DRIFT_FLAG_ROWS": "true"}
    saved.run("up").ok()
    status, _, _ = post(f"{saved.url}/predict", ODD, {"x-request-id": "odd-row"})
    assert status == 200

    def logged(*wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = saved.run("logs", *wanted, "-o", "json").ok().json["events"]
        return found

    def flagged() -> list[dict[str, Any]]:
        return logged("--id", "odd-row", "--outliers")

    (flag,) = wait_for(flagged, timeout=30, every=0.5, what="the odd row in the logs")
    assert flag[Field.DRIFT_FLAGS] == [{"row": 0, "columns": {"age": "out of range"}}]
    shown = saved.run("logs", "--id", "odd-row").ok().out
    assert "1 of 1 row unlike the reference: row 0: age out of range" in shown
    assert "1 row ->" in shown  # the prediction itself, beside it

    saved.run("drift", "inject", "--column", "age", "--shift", "1sd", "--for", "15s", "--rate", "100").ok()

    def raised() -> list[dict[str, Any]]:
        events = [event for event in logged("--drift") if event[Field.EVENT_ACTION] == Action.RAISED]
        return [event for event in events if event[Field.DRIFT_KIND] == "outliers"]

    (alert,) = wait_for(raised, timeout=60, every=0.5, what="the alert in the logs")
    assert alert[Field.EVENT_KIND] == "alert"
    assert alert[Field.DRIFT_COLUMNS][0] == "age"
    assert f"churn {alert[Field.VERSION]}  drift raised: outliers, " in saved.run("logs", "--drift").ok().out
