"""Alertmanager's messages as lines of a log."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from mlsandbox_serving.alerts import NoNotification, read_alerts


def _message(*alerts: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "alerts": alerts, **more}).encode()


def _alert(status: str = "firing", description: str = "It does not answer.", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "SandboxServiceDown", "severity": "critical", **labels},
        "annotations": {"summary": "Down", "description": description, "runbook_url": "docs/runbook.md#sandboxservicedown"},
    }


def test_beginning_and_end_of_an_alert_are_a_line_each() -> None:
    """A line must say what, how bad, about whom, and where it says what to do; its end is a line too."""
    firing, resolved = read_alerts(_message(_alert(model="wine", instance="api"), _alert("resolved", instance="grafana")))

    assert firing.text == (
        "alert firing: SandboxServiceDown (wine, api), critical: It does not answer. What to do: sandbox help SandboxServiceDown"
    )
    assert firing.level == logging.ERROR
    assert (resolved.level, resolved.text) == (logging.INFO, "alert resolved: SandboxServiceDown (grafana)")


def test_what_is_told_cannot_write_lines_of_its_own() -> None:
    """Line breaks and control characters of labels and texts must not reach the log, nor more than a line's worth."""
    (line,) = read_alerts(_message(_alert(description="a\nERROR forged\x1b[31m" + "x" * 10_000)))

    assert line.text.isprintable()
    assert len(line.text) <= 500


def test_many_alerts_are_bounded() -> None:
    """A message of very many alerts must give a bounded number of lines, the last one saying how many are left out."""
    lines = read_alerts(_message(*[_alert()] * 250, truncatedAlerts=7))

    assert len(lines) == 101
    assert lines[-1].text == "alerts: 157 more, see Alertmanager"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"alerts": 3}', b'{"alerts": [{}]}', b'{"alerts": ["x"]}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    """Anything but a message of Alertmanager must be refused as such."""
    with pytest.raises(NoNotification):
        read_alerts(body)
