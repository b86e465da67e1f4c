"""Panels: title, what it means, unit, queries; everything else is the same on all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from dashboards.metrics import other_metrics
from mlsandbox_serving.contract import all_metrics

Json = dict[str, Any]
SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
NO_TRAFFIC: Final = "No traffic"
NO_DATA: Final = "No data yet"

_KNOWN: Final = {metric.name for metric in (*all_metrics(), *other_metrics())}
_HISTOGRAM: Final = re.compile(r"_(bucket|sum|count)$")
_WORD: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True)
class Target:
    """One query."""

    expr: str
    legend: str = ""
    instant: bool = False
    """Only the newest value is asked for."""
    form: Literal["time_series", "heatmap", "table"] = "time_series"


@dataclass(frozen=True)
class Panel:
    """A panel without its place."""

    body: Json
    width: int
    height: int


@dataclass(frozen=True)
class _Head:
    kind: str
    title: str
    meaning: str


def metrics_of(expr: str) -> list[str]:
    """Names of the metrics in a query, in order, each once; a histogram's without its suffix."""
    words = dict.fromkeys(word if word in _KNOWN else _HISTOGRAM.sub("", word) for word in _WORD.findall(expr))
    return [word for word in words if word in _KNOWN]


def time_series(
    title: str,
    meaning: str,
    unit: str,
    *targets: Target,
    stacked: bool = False,
    limit: float | None = None,
    empty: str = NO_TRAFFIC,
    width: int = 12,
) -> Panel:
    """Lines over time; with `limit` also a red one at that value."""
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    defaults: Json = {"unit": unit, "min": 0, "noValue": empty, "custom": custom}
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "line"}
        defaults["thresholds"] = _steps({limit: "red"}, below="transparent")
    return _panel(_Head("timeseries", title, meaning), targets, defaults, options, (width, 8))


def stat(
    title: str,
    meaning: str,
    unit: str,
    target: Target,
    *,
    limits: Mapping[float, str] | None = None,
    texts: Sequence[str] = (),
    empty: str = NO_TRAFFIC,
    name_only: bool = False,
    width: int = 3,
) -> Panel:
    """One big value.

    `limits` gives the colour from a value on, green below the first; `texts` are shown instead of 0, 1, 2, …; `empty` instead of
    no value; with `name_only` the series' name is shown instead of its value.
    """
    options = {
        "colorMode": "value",
        "graphMode": "none" if target.instant else "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "name" if name_only else "auto",
        "wideLayout": True,
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
    }
    defaults = {"unit": unit, "noValue": empty, "mappings": _mappings(texts, empty), **_colours(limits or {})}
    return _panel(_Head("stat", title, meaning), (target,), defaults, options, (width, 4))


def bar_gauge(title: str, meaning: str, unit: str, target: Target, *, empty: str = NO_TRAFFIC, width: int = 12) -> Panel:
    """A bar for each series' newest value."""
    options = {
        "displayMode": "gradient",
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
        "minVizHeight": 12,
        "minVizWidth": 8,
        "maxVizHeight": 300,
        "namePlacement": "auto",
        "sizing": "auto",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
    }
    return _panel(_Head("bargauge", title, meaning), (target,), {"unit": unit, "min": 0, "noValue": empty}, options, (width, 8))


def heatmap(title: str, meaning: str, unit: str, target: Target, *, width: int = 12) -> Panel:
    """Buckets of a histogram over time, as dark as they are full."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "reqps"},
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
    }
    custom = {"scaleDistribution": {"type": "linear"}, "hideFrom": {"legend": False, "tooltip": False, "viz": False}}
    return _panel(_Head("heatmap", title, meaning), (target,), {"unit": unit, "noValue": NO_TRAFFIC, "custom": custom}, options, (width, 8))


def state_timeline(
    title: str, meaning: str, texts: Sequence[str], colours: Sequence[str], target: Target, *, empty: str, width: int = 24
) -> Panel:
    """A band for each series, coloured by its state: 0, 1, 2, … with their texts and colours."""
    options = {
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    states = {
        str(value): {"text": text, "color": colour, "index": value} for value, (text, colour) in enumerate(zip(texts, colours, strict=True))
    }
    custom = {"fillOpacity": 70, "lineWidth": 0}
    defaults = {"unit": "none", "noValue": empty, "custom": custom, "mappings": [{"type": "value", "options": states}]}
    return _panel(_Head("state-timeline", title, meaning), (target,), defaults, options, (width, 8))


def table(title: str, meaning: str, unit: str, target: Target, *, empty: str, width: int = 12) -> Panel:
    """A line for each series' newest value, with its labels as columns, the largest first."""
    hide = {"Time": True}
    options = {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": "Value", "desc": True}]}
    panel = _panel(_Head("table", title, meaning), (target,), {"unit": unit, "noValue": empty}, options, (width, 8))
    panel.body["transformations"] = [{"id": "organize", "options": {"excludeByName": hide, "indexByName": {}, "renameByName": {}}}]
    return panel


def _panel(head: _Head, targets: Sequence[Target], defaults: Json, options: Json, size: tuple[int, int]) -> Panel:
    names = list(dict.fromkeys(name for target in targets for name in metrics_of(target.expr)))
    body = {
        "type": head.kind,
        "title": head.title,
        "description": f"{head.meaning}\n\nMetric: {', '.join(f'`{name}`' for name in names)}",
        "datasource": SOURCE,
        "targets": [_target(chr(ord("A") + index), target) for index, target in enumerate(targets)],
        "fieldConfig": {"defaults": {"color": {"mode": "palette-classic"}, **defaults}, "overrides": []},
        "options": options,
    }
    return Panel(body, *size)


def _target(ref: str, target: Target) -> Json:
    return {
        "refId": ref,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": target.expr,
        "format": target.form,
        "instant": target.instant,
        "range": not target.instant,
        "legendFormat": target.legend or "__auto",
    }


def _mappings(texts: Sequence[str], empty: str) -> list[Json]:
    nothing: Json = {"type": "special", "options": {"match": "null+nan", "result": {"text": empty, "color": "text", "index": len(texts)}}}
    values = {str(value): {"text": text, "index": value} for value, text in enumerate(texts)}
    return [{"type": "value", "options": values}, nothing] if texts else [nothing]


def _colours(limits: Mapping[float, str]) -> Json:
    return {"color": {"mode": "thresholds"}, "thresholds": _steps(limits, below="green")}


def _steps(limits: Mapping[float, str], *, below: str) -> Json:
    steps: list[Json] = [{"color": below, "value": None}, *({"color": colour, "value": value} for value, colour in sorted(limits.items()))]
    return {"mode": "absolute", "steps": steps}
