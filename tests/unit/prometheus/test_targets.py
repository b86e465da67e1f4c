"""What the stack renders for Prometheus and Alertmanager."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlsandbox.assets import asset_path
from mlsandbox.render.processes import Places, render_config, render_processes
from mlsandbox.stack import parts
from mlsandbox.stack.build import build_stack
from mlsandbox.stack.components.elasticsearch_exporter import TIMEOUT_SECONDS
from mlsandbox.stack.components.objectives import latency_bucket
from mlsandbox.stack.components.prometheus import RULES
from mlsandbox.stack.spec import StackSpec
from support.monitoring import PARTS, inputs, model

PLACES = Places(Path("/p q [v2]/.sandbox"), {}, {}, {"prometheus": Path("/usr/bin/prometheus")}, Path("/served"))


def _rendered(*models: Any, chosen: frozenset[str] = PARTS) -> dict[str, str]:
    spec = build_stack(inputs(*models, chosen=chosen))
    return {file.path: file.text for file in render_config(spec, PLACES)}


def _targets(rendered: dict[str, str], name: str = "services") -> dict[str, dict[str, str]]:
    groups = json.loads(rendered[f"config/prometheus/targets/{name}.json"])
    assert all(len(group["targets"]) == 1 for group in groups)
    return {group["labels"]["instance"]: group["labels"] for group in groups}


def test_every_service_with_metrics_is_a_target() -> None:
    """Each must be scraped, named by its kind and its name, and by its model where it is one model's; Prometheus itself too."""
    targets = _targets(_rendered(model("wine"), model("churn")))

    assert targets == {
        "api-v1": {"job": "api", "instance": "api-v1", "model": "wine"},
        "api-churn-v1": {"job": "api", "instance": "api-churn-v1", "model": "churn"},
        "shipper": {"job": "shipper", "instance": "shipper", "model": "wine"},
        "shipper-churn": {"job": "shipper", "instance": "shipper-churn", "model": "churn"},
        "log-store": {"job": "log-store", "instance": "log-store"},
        "alertmanager": {"job": "alertmanager", "instance": "alertmanager"},
        "prometheus": {"job": "prometheus", "instance": "prometheus"},
    }


def test_without_alertmanager_nobody_is_told() -> None:
    """A stack without Alertmanager must give Prometheus an empty list, not a file that is missing."""
    with_it, without = _rendered(), _rendered(chosen=PARTS - {parts.ALERTMANAGER})

    assert set(_targets(with_it, "alertmanager")) == {"alertmanager"}
    assert _targets(without, "alertmanager") == {}


def test_all_rule_files_are_handed_over() -> None:
    """Each file of rules must reach Prometheus as it is."""
    rendered = _rendered()

    assert sorted(RULES) == sorted(path.stem for path in asset_path("prometheus/rules").glob("*.yml"))
    assert {name for name in rendered if "/rules/" in name} == {f"config/prometheus/rules/{name}.yml" for name in (*RULES, "objectives")}


def test_a_folder_with_brackets_is_no_pattern() -> None:
    """As a child process Prometheus must find its rules and targets whatever the project's folder is called: by relative names."""
    (service,) = [each for each in build_stack(inputs()).services if each.name == parts.PROMETHEUS]
    (process,) = render_processes(StackSpec("p", "127.0.0.1", (service,)), PLACES, {}, ())

    assert process.cwd == "/p q [v2]/.sandbox/stack/config/prometheus"
    assert process.argv[:2] == ("/usr/bin/prometheus", "--config.file=prometheus.yml")
    configuration = yaml.safe_load(asset_path("prometheus/prometheus.yml").read_text("utf-8"))
    found = configuration["scrape_configs"][0]["file_sd_configs"] + configuration["alerting"]["alertmanagers"][0]["file_sd_configs"]
    assert not [path for path in (*configuration["rule_files"], *(file for each in found for file in each["files"])) if path[0] == "/"]


def test_what_models_promise_becomes_constants() -> None:
    """Objectives and limits must be rendered with their numbers, for each model and each service that has some."""
    text = _rendered(model("wine", availability=0.99, latency_p95_seconds=0.04), model("churn"))["config/prometheus/rules/objectives.yml"]
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]

    assert {"record": "model:sandbox_availability:objective", "expr": "vector(0.99)", "labels": {"model": "wine"}} in rules
    assert {
        "record": "model:sandbox_latency_seconds:objective",
        "expr": "vector(0.04)",
        "labels": {"model": "wine", "le": "0.05"},
    } in rules
    assert {"record": "model:sandbox_spool_bytes:limit", "expr": "vector(1000000000)", "labels": {"model": "churn"}} in rules
    assert {"record": "instance:sandbox_memory_bytes:limit", "expr": "vector(536870912)", "labels": {"instance": "shipper-churn"}} in rules


@pytest.mark.parametrize(("objective", "bound"), [(0.05, "0.05"), (0.051, "0.1"), (0.6, "1.0"), (30.0, "30.0"), (31.0, "+Inf")])
def test_an_objective_is_compared_at_the_next_bucket(objective: float, bound: str) -> None:
    """The bucket must be the nearest one that holds the objective, written as the metric writes it."""
    assert latency_bucket(objective) == bound


def test_alertmanager_is_told_where_the_shipper_is() -> None:
    """The address of the webhook must be a file beside the configuration, which names it by its absolute path."""
    rendered = _rendered(model("wine"), model("churn"))
    configuration = yaml.safe_load(rendered["config/alertmanager/alertmanager.yml"])
    (webhook,) = configuration["receivers"][0]["webhook_configs"]

    assert webhook["url_file"] == "/p q [v2]/.sandbox/stack/config/alertmanager/webhook-url"
    address = rendered["config/alertmanager/webhook-url"]
    assert address.startswith("http://127.0.0.1:")
    assert address.endswith("/alerts")


def test_the_exporter_gives_up_before_prometheus() -> None:
    """An Elasticsearch that hangs must not make its exporter count as gone: that waits for less time than its scrape may take."""
    configuration = yaml.safe_load(asset_path("prometheus/prometheus.yml").read_text("utf-8"))

    assert int(configuration["global"]["scrape_timeout"].removesuffix("s")) > TIMEOUT_SECONDS
