"""What Alertmanager tells about alerts, as lines of a log: one per alert, readable without knowing its format."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_log = logging.getLogger(__name__)

LARGEST_BODY: Final = 1024 * 1024
_MOST_ALERTS: Final = 100
_LONGEST_TEXT: Final = 500
_LEVELS: Final = {"critical": logging.ERROR, "warning": logging.WARNING}


class Line(NamedTuple):
    """One line."""

    level: int
    text: str


class NoNotification(ValueError):
    """The body is none of Alertmanager's."""


def log_alerts(body: bytes) -> None:
    """Write a line for each alert that begins or ends.

    Raises:
        NoNotification: nothing was written.
    """
    for line in read_alerts(body):
        _log.log(line.level, "%s", line.text)


def read_alerts(body: bytes) -> list[Line]:
    """The lines of one message of Alertmanager's webhook (pure).

    Raises:
        NoNotification: it is none.
    """
    try:
        message = json.loads(body)
        lines = [_line(alert) for alert in message["alerts"][:_MOST_ALERTS]]
        truncated = int(message.get("truncatedAlerts") or 0) + max(len(message["alerts"]) - _MOST_ALERTS, 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoNotification(f"no message of Alertmanager: {type(error).__name__}") from error
    return [*lines, *_rest(truncated)]


def _line(alert: Mapping[str, Any]) -> Line:
    labels, annotations = alert["labels"], alert.get("annotations", {})
    severity = str(labels.get("severity", "warning"))
    about = ", ".join(dict.fromkeys(str(labels[name]) for name in ("model", "instance") if labels.get(name)))
    name = f"{labels['alertname']} ({about})" if about else str(labels["alertname"])
    if alert["status"] == "resolved":
        return Line(logging.INFO, _plain(f"alert resolved: {name}"))
    said = annotations.get("description") or annotations.get("summary") or ""
    text = f"alert firing: {name}, {severity}: {said} What to do: sandbox help {labels['alertname']}"
    return Line(_LEVELS.get(severity, logging.INFO), _plain(text))


def _rest(truncated: int) -> Iterator[Line]:
    if truncated:
        yield Line(logging.WARNING, f"alerts: {truncated} more, see Alertmanager")


def _plain(text: str) -> str:
    """One line of printable characters, so that nobody writes lines of his own into a log."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:_LONGEST_TEXT]
