"""Alerts that are active now, asked of the stack's Alertmanager or Prometheus; what they see is a help, so a failure to ask is no error."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOST: Final = "127.0.0.1"
_TIMEOUT: Final = 1.5
_LARGEST_ANSWER: Final = 4 * 1024 * 1024
# Silenced and inhibited ones are left out: somebody knows already, or another alert says the same.
_ALERTMANAGER: Final = "/api/v2/alerts?" + urlencode({"active": "true", "silenced": "false", "inhibited": "false", "unprocessed": "false"})
_PROMETHEUS: Final = "/api/v1/alerts"
_SEVERITIES: Final = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Alert:
    """One active alert."""

    name: str
    """"SandboxServiceDown"."""
    severity: str
    """"critical", "warning" or "info"."""
    service: str | None
    """The service of the stack it is about, "api-v2"; None when it is about a model or the stack."""
    model: str | None
    since: datetime | None
    """None when it is not known."""
    summary: str
    description: str
    """With numbers."""
    runbook: str
    """Where it says what to do, "docs/runbook.md#sandboxservicedown"."""


@dataclass(frozen=True, slots=True)
class ActiveAlerts:
    """What is active, the worst first; or why that is not known."""

    alerts: tuple[Alert, ...] = ()
    problem: str | None = None
    """Why it could not be asked; None when it answered."""


def active_alerts(port: int) -> ActiveAlerts:
    """The alerts that are active in the Alertmanager on this port of this machine; never raises for what happens there."""
    return _asked("Alertmanager", port, _ALERTMANAGER, parse_alerts)


def firing_alerts(port: int) -> ActiveAlerts:
    """The alerts that fire in the Prometheus on this port of this machine; never raises for what happens there."""
    return _asked("Prometheus", port, _PROMETHEUS, parse_firing)


def _asked(program: str, port: int, path: str, parse: Callable[[bytes], tuple[Alert, ...]]) -> ActiveAlerts:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(_LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        return ActiveAlerts(problem=f"{program} does not answer on port {port}: {str(error) or type(error).__name__}")
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return ActiveAlerts(problem=f"{program} on port {port} answers HTTP {answer.status}")
    try:
        return ActiveAlerts(parse(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ActiveAlerts(problem=f"what answers on port {port} is not the API of {program}")


def parse_alerts(body: bytes) -> tuple[Alert, ...]:
    """The answer of `GET /api/v2/alerts` (pure).

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: it is no such answer.
    """
    return in_order(_alert(entry, "startsAt") for entry in json.loads(body))


def parse_firing(body: bytes) -> tuple[Alert, ...]:
    """The answer of `GET /api/v1/alerts` of Prometheus (pure); those that wait for their time are left out.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: it is no such answer.
    """
    return in_order(_alert(entry, "activeAt") for entry in json.loads(body)["data"]["alerts"] if entry["state"] == "firing")


def in_order(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """The worst first, and of equals the oldest."""
    return tuple(sorted(alerts, key=_urgency))


def _alert(entry: Mapping[str, Any], since: str) -> Alert:
    labels, annotations = entry["labels"], entry["annotations"]
    return Alert(
        name=labels["alertname"],
        severity=labels.get("severity", "warning"),
        service=labels.get("instance"),
        model=labels.get("model"),
        since=datetime.fromisoformat(entry[since]),
        summary=annotations.get("summary", ""),
        description=annotations.get("description", ""),
        runbook=annotations.get("runbook_url", ""),
    )


def _urgency(alert: Alert) -> tuple[int, datetime, str]:
    rank = _SEVERITIES.index(alert.severity) if alert.severity in _SEVERITIES else len(_SEVERITIES)
    return (rank, alert.since or _LONG_AGO, alert.name)
