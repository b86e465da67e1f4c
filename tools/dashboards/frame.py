"""A dashboard around its panels: places, numbers, variables, links, annotations, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboards.panels import Panel

Json = dict[str, Any]
TAG: Final = "sandbox"
DEPLOY_TAG: Final = "deploy"
_COLUMNS: Final = 24
_GRAFANA: Final[Json] = {"type": "grafana", "uid": "-- Grafana --"}


@dataclass(frozen=True)
class Row:
    """A heading and the panels below it, from left to right, then on the next line."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(slug: str, title: str, description: str, variables: Sequence[Json], rows: Sequence[Row]) -> Json:
    """The dashboard as Grafana reads it."""
    return {
        "uid": f"{TAG}-{slug}",
        "title": title,
        "description": description,
        "tags": [TAG, slug],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": 41,
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "links": [_link()],
        "annotations": {"list": [_built_in(), _deployments()]},
        "templating": {"list": list(variables)},
        "panels": list(_placed(rows)),
    }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    number = 1
    y = 0
    for row in rows:
        place = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
        yield {"type": "row", "id": number, "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        number += 1
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield {"id": number, **panel.body, "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height}}
            number += 1
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _link() -> Json:
    return {
        "type": "dashboards",
        "title": "Sandbox",
        "tags": [TAG],
        "icon": "external link",
        "tooltip": "",
        "url": "",
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def _built_in() -> Json:
    return {
        "name": "Annotations & Alerts",
        "datasource": _GRAFANA,
        "type": "dashboard",
        "builtIn": 1,
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }


def _deployments() -> Json:
    return {
        "name": "Versions",
        "datasource": _GRAFANA,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "target": {"type": "tags", "tags": [TAG, DEPLOY_TAG], "limit": 100, "matchAny": False},
    }
