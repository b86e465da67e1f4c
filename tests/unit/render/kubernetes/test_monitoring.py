"""What an operator's Prometheus and Grafana are told is what the sandbox's know."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from mlsandbox.assets import asset, asset_path
from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.facts import ExportFacts
from mlsandbox.render.kubernetes.model import base_bundle
from mlsandbox.render.kubernetes.monitoring import dashboards_bundle, prometheusrule_bundle, servicemonitor_bundle
from mlsandbox.render.kubernetes.names import labels, selector
from mlsandbox.stack.components.prometheus import SCRAPED
from mlsandbox.stack.spec import Joined, StackSpec
from support.exported import inputs
from support.manifests import matches, of_kind

CLIENT_SIDE = 262_144
"""Bytes of all annotations of an object; `kubectl apply` keeps a copy of the object in one of them."""


def _inputs(case: str = "three-models", **changes: Any) -> tuple[StackSpec, ExportFacts]:
    """With images of all there is."""
    return inputs(case, whole=True, **changes)


def _monitors(spec: StackSpec, facts: ExportFacts) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in servicemonitor_bundle(spec, facts).objects}


def _endpoints(monitors: dict[str, Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(name, endpoint["port"]): endpoint for name, each in monitors.items() for endpoint in each["spec"]["endpoints"]}


def _target(endpoint: Manifest) -> dict[str, str]:
    return {each["targetLabel"]: each["replacement"] for each in endpoint["relabelings"] if each["action"] == "replace"}


def test_targets_have_the_labels_of_the_sandbox() -> None:
    """`job`, `instance` and `model` must be those of the sandbox's targets, for rules and dashboards know no others."""
    spec, facts = _inputs()
    targets = spec.service("prometheus").files[SCRAPED]
    assert isinstance(targets, Joined)
    groups = json.loads("".join(part if isinstance(part, str) else "anywhere" for part in targets.parts))
    sandbox = {each["labels"]["instance"]: each["labels"] for each in groups}

    found = [_target(endpoint) for endpoint in _endpoints(_monitors(spec, facts)).values()]

    assert found
    assert [each for each in found if each != sandbox[each["instance"]]] == []
    assert {each["instance"] for each in found} == sandbox.keys() - {"prometheus", "grafana"}


def test_each_model_is_scraped_with_its_shipper_and_its_challenger() -> None:
    """Every port with metrics of every pod must be scraped, those of a challenger as the same job and instance."""
    spec, facts = _inputs("one-model")
    endpoints = _endpoints(_monitors(spec, facts))
    model, *_ = facts.images

    assert set(endpoints) == {
        (model, "http"),
        (model, "shipper"),
        (f"{model}-challenger", "http"),
        (f"{model}-challenger", "shipper"),
        ("drift", "drift"),
        ("fluentd", "fluentd-metrics"),
    }
    assert _target(endpoints[f"{model}-challenger", "http"]) == _target(endpoints[model, "http"])


def test_what_has_no_image_is_not_scraped() -> None:
    """Without an image there is no such service: its monitor would be noise."""
    spec, facts = _inputs("one-model")
    model, *_ = facts.images

    assert set(_monitors(spec, replace(facts, images={model: facts.images[model]}))) == {model}


@pytest.mark.parametrize("case", ["one-model", "three-models"])
def test_monitors_find_the_services_of_the_models(case: str) -> None:
    """A monitor's selector must find the Service, which must have the ports, and the policy must let Prometheus reach them."""
    spec, facts = _inputs(case)
    base = base_bundle(spec, facts).objects
    monitors = _monitors(spec, facts)
    services = of_kind(base, "Service")
    assert services
    for service in services:
        name = service["metadata"]["name"]
        found = monitors[name]["spec"]
        ports = [each["port"] for each in found["endpoints"]]
        assert matches(found["selector"], service["metadata"]["labels"])
        assert set(ports) <= {each["name"] for each in service["spec"]["ports"]}
        (policy,) = [each for each in of_kind(base, "NetworkPolicy") if each["metadata"]["name"] == name]
        open_ = [rule for rule in policy["spec"]["ingress"] if "monitoring" in json.dumps(rule["from"])]
        targets = {each["name"]: each["targetPort"] for each in service["spec"]["ports"]}
        assert {port["port"] for rule in open_ for port in rule["ports"]} == {targets[port] for port in ports}


def test_no_pod_is_scraped_twice_or_while_it_may_be_silent() -> None:
    """Of Services with the same labels one must count; pods that are fetched or that end must not look as if they were down."""
    for (name, _), endpoint in _endpoints(_monitors(*_inputs())).items():
        kept = [(*each["sourceLabels"], each["regex"]) for each in endpoint["relabelings"] if each["action"] == "keep"]
        dropped = [(*each["sourceLabels"], each["regex"]) for each in endpoint["relabelings"] if each["action"] == "drop"]

        assert kept == [("__meta_kubernetes_service_name", name)]
        assert dropped == [
            ("__meta_kubernetes_pod_phase", "Pending"),
            ("__meta_kubernetes_endpointslice_endpoint_conditions_terminating", "true"),
        ]


def test_scraping_is_as_often_as_in_the_sandbox() -> None:
    """The windows of the rules are made for the sandbox's interval, and labels of our services come first there."""
    configuration = yaml.safe_load(asset("prometheus/prometheus.yml"))

    for endpoint in _endpoints(_monitors(*_inputs())).values():
        assert endpoint["interval"] == configuration["global"]["scrape_interval"]
        assert endpoint["scrapeTimeout"] == configuration["global"]["scrape_timeout"]
        assert endpoint["honorLabels"] is True
        assert endpoint["path"] == "/metrics"


def test_rules_are_the_same_files() -> None:
    """Each file of rules must be one PrometheusRule that says the same; objectives are those that the stack renders."""
    spec, facts = _inputs()
    files = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in asset_path("prometheus/rules").glob("*.yml")}
    objectives = spec.service("prometheus").files["rules/objectives.yml"]
    assert isinstance(objectives, str)
    files["objectives"] = yaml.safe_load(objectives)

    found = {each["metadata"]["name"]: each["spec"] for each in prometheusrule_bundle(spec, facts).objects}

    assert found == {f"sandbox-{name}": content for name, content in files.items()}


def test_dashboards_are_the_same_files() -> None:
    """Each dashboard must be in one ConfigMap, byte for byte, and small enough for `kubectl apply` as it is."""
    bundle = dashboards_bundle(*_inputs())
    found = [each for each in bundle.objects if "grafana_dashboard" in each["metadata"]["labels"]]
    files = {path.name: path.read_text("utf-8") for path in asset_path("grafana/dashboards").glob("*.json")}

    assert {name: text for each in found for name, text in each["data"].items()} == files
    assert [len(each["data"]) for each in found] == [1] * len(files)
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in found} == {"1"}
    assert {each["metadata"]["annotations"]["grafana_folder"] for each in found} == {"Sandbox"}
    assert max(len(json.dumps(each)) for each in found) < CLIENT_SIDE
    assert bundle.configs == ()  # their names would change with what is in them


def test_dashboards_find_their_data_source() -> None:
    """It must have the uid that dashboards begin with and the sandbox's settings, and leave a Grafana's default and names alone."""
    spec, facts = _inputs(prometheus_url="http://metrics.example.com")
    (config,) = [each for each in dashboards_bundle(spec, facts).objects if "grafana_datasource" in each["metadata"]["labels"]]
    (own,) = yaml.safe_load(asset("grafana/provisioning/datasources/prometheus.yaml"))["datasources"]
    (text,) = config["data"].values()
    provisioning = yaml.safe_load(text)
    (source,) = provisioning.pop("datasources")
    chosen = [
        each["current"]["value"]
        for path in asset_path("grafana/dashboards").glob("*.json")
        for each in json.loads(path.read_text("utf-8"))["templating"]["list"]
        if each["type"] == "datasource"
    ]

    assert set(chosen) == {source["uid"]}
    assert source == {**own, "name": "Sandbox Prometheus", "url": "http://metrics.example.com", "isDefault": False}
    assert provisioning == {"apiVersion": 1}


def test_an_operator_is_told_by_its_label() -> None:
    """Monitors and rules must have the label by which a release of the operator finds its own; the other labels are the usual ones."""
    spec, facts = _inputs("one-model", prometheus_release="metrics")
    objects = [*servicemonitor_bundle(spec, facts).objects, *prometheusrule_bundle(spec, facts).objects]

    for each in objects:
        name = each["metadata"]["name"]
        assert each["metadata"]["labels"] == {**labels(name, "monitoring", project=spec.project), "release": "metrics"}
        assert each["metadata"]["namespace"] == facts.namespace
    assert selector("x", "y").keys() <= objects[0]["metadata"]["labels"].keys()
