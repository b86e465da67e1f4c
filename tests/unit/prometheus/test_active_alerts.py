"""Alertmanager's answer as alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mlsandbox.alerts import parse_alerts


def _entry(name: str, severity: str, since: str, **labels: str) -> dict[str, object]:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": "S", "description": "D", "runbook_url": f"docs/runbook.md#{name.lower()}"},
        "startsAt": since,
        "endsAt": "2026-01-01T11:00:00.000Z",
        "status": {"state": "active", "inhibitedBy": [], "silencedBy": []},
        "fingerprint": "f",
    }


def test_the_worst_come_first_and_of_equals_the_oldest() -> None:
    """Alerts must be in the order in which somebody should look at them."""
    entries = [
        _entry("Info", "info", "2026-01-01T09:00:00.000Z"),
        _entry("Late", "critical", "2026-01-01T10:00:00.000Z"),
        _entry("Early", "critical", "2026-01-01T09:30:00.5Z", instance="api", model="wine"),
        _entry("Warning", "warning", "2026-01-01T08:00:00.000Z"),
    ]

    alerts = parse_alerts(json.dumps(entries).encode())

    assert [alert.name for alert in alerts] == ["Early", "Late", "Warning", "Info"]
    assert alerts[0].since == datetime(2026, 1, 1, 9, 30, 0, 500_000, UTC)
    assert (alerts[0].service, alerts[0].model, alerts[0].runbook) == ("api", "wine", "docs/runbook.md#early")
    assert (alerts[1].service, alerts[1].model) == (None, None)


@pytest.mark.parametrize("body", [b"", b"{}x", b"3", b'["x"]', b'[{"labels": {}}]', b"[" * 100_000])
def test_what_is_no_answer_is_no_alert(body: bytes) -> None:
    """Anything else must raise one of the errors that are said."""
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError, RecursionError)):
        parse_alerts(body)
