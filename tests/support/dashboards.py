"""The dashboards as they are committed: their panels and queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from support.repository import ROOT

FOLDER = ROOT / "grafana" / "dashboards"
Json = dict[str, Any]
Needs = Literal["traffic", "errors", "drift", "alibi", "labels", "elasticsearch", "fluentd", "log-store", "challenger"]
VALUES = {"__rate_interval": "20s", "__range": "30m", "latency_slo": "0.05", "objective": "0.999"}
"""What is put in the place of variables; every other one is `.+`, as "All" is."""

_NEEDS: Mapping[str, Needs] = {
    "sandbox_performance": "labels",
    "sandbox_drift_p_value": "alibi",
    'engine="alibi"': "alibi",
    "sandbox_drift_": "drift",
    "elasticsearch_": "elasticsearch",
    "fluentd_": "fluentd",
    "sandbox_log_store_": "log-store",
    "sandbox_challenger_": "challenger",
    "sandbox_shadow_": "challenger",
    'code=~"4..|5.."': "errors",
}
"""By a part of the query; the first that is there counts."""


@dataclass(frozen=True)
class PanelQuery:
    """One query of one panel."""

    dashboard: str
    """Its uid."""
    panel: str
    expr: str
    """With variables put in."""
    needs: Needs
    """What must be part of the stack, or have happened in it, before the query has an answer; every one needs some traffic."""

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expr}"


def dashboards() -> dict[str, Json]:
    """Every committed dashboard by its file's name."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: Json) -> Iterator[Json]:
    """Its panels without the rows."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def panel_queries(values: Mapping[str, str] = VALUES) -> list[PanelQuery]:
    """Every query of every panel, with variables put in, fit for Prometheus.

    Args:
        values: of variables.
    """
    return [
        PanelQuery(each["uid"], panel["title"], substituted(target["expr"], values), needs(target["expr"]))
        for each in dashboards().values()
        for panel in panels(each)
        for target in panel["targets"]
    ]


def substituted(text: str, values: Mapping[str, str] = VALUES) -> str:
    """A query with its variables put in."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ".+"), text)


def needs(expr: str) -> Needs:
    """What a query needs for an answer, told from its metrics."""
    return next((need for part, need in _NEEDS.items() if part in expr), "traffic")
