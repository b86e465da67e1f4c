"""The rules as a cluster gets them, judged by Prometheus' own tool, with targets as ServiceMonitors make them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.actions.export_stack import PARTS, export_ports
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.keda import keda_bundle
from mlsandbox.render.kubernetes.monitoring import prometheusrule_bundle
from mlsandbox.stack.build import build_stack
from support.exported import image
from support.monitoring import MODEL, inputs, program
from support.waiting import HANG_SECONDS

CASES = Path(__file__).with_name("rules") / "several_pods.yml"
NAMESPACE = "shop"
SPEC = build_stack(inputs(chosen=PARTS, numbers=export_ports([MODEL]).values(), fronts=False))
FACTS = ExportFacts({MODEL: image(MODEL)}, NAMESPACE)


def _promtool(request: pytest.FixtureRequest, folder: Path, cases: str) -> subprocess.CompletedProcess[str]:
    """The cases, with the rules of the PrometheusRules beside them."""
    (folder / "rules").mkdir(exist_ok=True)
    for rule in prometheusrule_bundle(SPEC, FACTS).objects:
        (folder / "rules" / f"{rule['metadata']['name']}.yml").write_text(json.dumps(rule["spec"]), "utf-8")
    (folder / "cases.yml").write_text(cases, "utf-8")
    command = [str(program(request, "promtool")), "test", "rules", str(folder / "cases.yml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)


def test_rules_hold_for_several_pods_and_namespaces(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each pod must be told of by itself where that matters, pods must be added up elsewhere, and namespaces must be kept apart."""
    done = _promtool(request, tmp_path, CASES.read_text("utf-8"))

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_fails(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The cases must be able to fail: of a pod that is not down they expect too much."""
    done = _promtool(request, tmp_path, CASES.read_text("utf-8").replace("1x24 0x24 stale", "1x48 stale"))

    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


def test_groups_are_evaluated_in_a_stated_order() -> None:
    """The order of the cases must name each group of the PrometheusRules, else promtool takes another one each time."""
    order = yaml.safe_load(CASES.read_text("utf-8"))["group_eval_order"]

    assert sorted(order) == sorted(group["name"] for rule in prometheusrule_bundle(SPEC, FACTS).objects for group in rule["spec"]["groups"])


def test_the_query_of_keda_counts_the_pods_that_there_are(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Requests of all pods of a model must be added up: not of those that have gone, nor of a challenger or another namespace."""
    (scaled,) = keda_bundle(SPEC, FACTS).objects

    def series(values: str, **labels: str) -> dict[str, str]:
        shown = {"job": "api", "instance": "api", "model": MODEL, "namespace": NAMESPACE, "service": MODEL, **labels}
        return {"series": f"sandbox_requests_in_flight{{{_labels(shown)}}}", "values": values}

    case: dict[str, Any] = {
        "rule_files": [],
        "tests": [
            {
                "interval": "5s",
                "input_series": [
                    series("10 30x30", pod="wine-1"),
                    series("20x30", pod="wine-2"),
                    series("40x20 stale", pod="wine-3"),
                    series("80x30", pod="wine-challenger-1", service="wine-challenger"),
                    series("160x30", pod="wine-1", namespace="shop-dev"),
                ],
                "promql_expr_test": [
                    {
                        "expr": scaled["spec"]["triggers"][0]["metadata"]["query"],
                        "eval_time": "2m",
                        "exp_samples": [{"labels": "{}", "value": 50}],
                    }
                ],
            }
        ],
    }

    done = _promtool(request, tmp_path, json.dumps(case))

    assert done.returncode == 0, done.stdout + done.stderr


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())
