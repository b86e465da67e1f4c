"""Grafana's dashboards, made from Python: `tools/write_dashboards.py` writes them to `grafana/dashboards/`.

Metric names come from the contract, or from the lists of metrics of other programs beside this file; none is typed in a query.
"""

from __future__ import annotations

import json

from dashboards.drift import dashboard as _drift
from dashboards.frame import Json
from dashboards.overview import dashboard as _overview
from dashboards.pipeline import dashboard as _pipeline
from dashboards.runtime import dashboard as _runtime


def dashboards() -> tuple[Json, ...]:
    """Every dashboard, the home one first."""
    return (_overview(), _drift(), _runtime(), _pipeline())


def files() -> dict[str, str]:
    """Text of every dashboard by its file's name."""
    return {f"{each['uid']}.json": json.dumps(each, indent=2, ensure_ascii=False) + "\n" for each in dashboards()}
