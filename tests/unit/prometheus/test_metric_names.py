"""Rules ask only for metrics that somebody shows."""

from __future__ import annotations

import re

import pytest
import yaml

from mlsandbox.assets import asset_path
from mlsandbox.stack.components.objectives import RECORDED
from mlsandbox_serving.contract import all_metrics
from mlsandbox_serving.processes import SUMMED

EXPRESSIONS = {
    f"{path.stem}: {rule.get('alert') or rule.get('record')} {number}": (rule.get("record"), rule["expr"])
    for path in sorted(asset_path("prometheus/rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    for number, rule in enumerate(group["rules"])
}
OTHERS = {
    "up": "Prometheus itself",
    "fluentd_output_status_buffer_available_space_ratio": "fluent-plugin-prometheus: prometheus_output_monitor",
    "fluentd_output_status_buffer_total_bytes": "fluent-plugin-prometheus: prometheus_output_monitor",
    "fluentd_output_status_num_errors": "fluent-plugin-prometheus: prometheus_output_monitor",
    "elasticsearch_filesystem_data_available_bytes": "elasticsearch_exporter: node statistics",
}
_WORDS = {"and", "or", "unless", "on", "ignoring", "by", "without", "offset", "group_left", "group_right", "bool"}


def _asked_for(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", "", expression)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"offset\s+\d+\w", "", bare)
    return {name for name in re.findall(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])", bare) if name not in _WORDS}


def _shown() -> set[str]:
    names = set()
    for metric in all_metrics():
        names |= {f"{metric.name}_{end}" for end in ("bucket", "count", "sum")} if metric.type == "histogram" else {metric.name}
    recorded = {record for record, _ in EXPRESSIONS.values() if record}
    return names | recorded | set(RECORDED) | set(SUMMED) | set(OTHERS)


@pytest.mark.parametrize("rule", EXPRESSIONS)
def test_a_rule_asks_for_metrics_that_are_shown(rule: str) -> None:
    """Each name in an expression must be in the contract, recorded by another rule, or known to be shown by a program of others."""
    asked = _asked_for(EXPRESSIONS[rule][1])

    assert asked
    assert asked - _shown() == set()


def test_names_are_found_in_expressions() -> None:
    """The reading of expressions must see names, and nothing but names."""
    text = 'sum by (model) (rate(a_total{code=~"5.."}[5m])) > on (model) 3 * m:b:objective and c offset 5m unless clamp_max(d, 0.9)'

    assert _asked_for(text) == {"a_total", "m:b:objective", "c", "d"}


def test_the_list_of_others_is_no_longer_than_needed() -> None:
    """A metric of others that no rule asks for any more must leave the list."""
    asked = set().union(*(_asked_for(expression) for _, expression in EXPRESSIONS.values()))

    assert set(OTHERS) - asked == set()
