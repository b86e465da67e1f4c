"""Prometheus's own parser reads every query of the dashboards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from support.dashboards import dashboards, panel_queries, substituted
from support.monitoring import program


def _promtool(request: pytest.FixtureRequest) -> str:
    return str(program(request, "promtool"))


def test_queries_parse(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each query must be PromQL, with its variables put in."""
    rules = [{"record": f"panel:number:{index}", "expr": query.expr} for index, query in enumerate(panel_queries())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")

    checked = subprocess.run([_promtool(request), "check", "rules", str(file)], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_variables_parse(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """What a variable's values are asked of must be PromQL too."""
    asked = [
        each["query"].removeprefix("label_values(").rpartition(",")[0]
        for dashboard in dashboards().values()
        for each in dashboard["templating"]["list"]
        if each["type"] == "query"
    ]
    rules = [{"record": f"variable:number:{index}", "expr": substituted(expr)} for index, expr in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "variables", "rules": rules}]}), encoding="utf-8")

    checked = subprocess.run([_promtool(request), "check", "rules", str(file)], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
