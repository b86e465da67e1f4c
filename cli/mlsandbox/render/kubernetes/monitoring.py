"""What an operator's Prometheus and Grafana are told: targets, rules and dashboards, those of the sandbox (pure).

Rules and dashboards know a service by `job`, `instance` and `model`: its targets here have the same, and besides them what tells
several pods apart, `namespace` and `pod`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from mlsandbox.assets import asset
from mlsandbox.render.kubernetes.bundle import Bundle, Manifest
from mlsandbox.render.kubernetes.facts import CHALLENGER, ExportFacts
from mlsandbox.render.kubernetes.manifest import manifest
from mlsandbox.render.kubernetes.names import further_name, labels, models, object_names, port_name, selector, shipper_of
from mlsandbox.render.yaml_load import load
from mlsandbox.stack.components.drift import ENVIRONMENT_WITH_ALIBI
from mlsandbox.stack.parts import DRIFT, FLUENTD, GRAFANA, PROMETHEUS
from mlsandbox.stack.spec import Asset, Scrape, ServiceSpec, StackSpec
from mlsandbox_serving.contract import Env

SERVICE_MONITOR: Final = "servicemonitor"
PROMETHEUS_RULE: Final = "prometheusrule"
DASHBOARDS: Final = "grafana-dashboards"
FOLDER: Final = "Sandbox"
"""Of the dashboards in Grafana."""
FOUND_BY_GRAFANA: Final = "grafana_"
"""What the labels begin with by which sidecars of a Grafana, whosever it is, find what they load."""
_COMPONENT: Final = "monitoring"
_DASHBOARD: Final = "dashboard"
_SANDBOX: Final = "sandbox"
_OTHERS: Final = {FLUENTD: (FLUENTD,), DRIFT: (DRIFT, ENVIRONMENT_WITH_ALIBI)}
"""Services besides the models that show metrics, and the keys of images of which one has to be known."""
_RULES: Final = "rules/"
_PANELS: Final = "dashboards/"
_SOURCE: Final = "grafana/provisioning/datasources/prometheus.yaml"


def servicemonitor_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """A ServiceMonitor for each Service whose pods show metrics.

    One whose Service is in no component of an overlay finds no target, and raises no alert.
    """
    return Bundle(
        name=SERVICE_MONITOR,
        summary="Has a Prometheus of the Prometheus Operator scrape every pod that shows metrics.",
        objects=tuple(_monitors(spec, facts)),
        todo=(
            (
                "The Prometheus Operator has to be in the cluster, and its Prometheus has to select ServiceMonitors with the label "
                f"release={facts.prometheus_release} in this namespace: kube-prometheus-stack does when that is the name of its release, "
                "else export with --prometheus-release."
            ),
        ),
    )


def prometheusrule_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The rules, one PrometheusRule for each file of the sandbox, with the same groups."""
    files = {path.removeprefix(_RULES).removesuffix(".yml"): text for path, text in _texts(spec, PROMETHEUS, _RULES).items()}
    return Bundle(
        name=PROMETHEUS_RULE,
        summary="Recording rules and alerts, the same as the sandbox's.",
        objects=tuple(
            manifest(
                "PrometheusRule",
                f"{_SANDBOX}-{name}",
                namespace=facts.namespace,
                labels=_selected(spec, facts, f"{_SANDBOX}-{name}"),
                spec=load(text),
            )
            for name, text in sorted(files.items())
        ),
        todo=(
            (
                "Alerts have the label severity (critical, warning, info): route them in your Alertmanager. Their runbook_url and "
                "dashboard_url are relative, to the project's repository and to your Grafana."
            ),
            (
                "Rules keep namespaces apart, but what a model promises is known by its name alone: where one Prometheus watches models "
                "of the same name that promise different things, have it keep each PrometheusRule to its namespace "
                "(prometheus.prometheusSpec.enforcedNamespaceLabel=namespace of kube-prometheus-stack)."
            ),
        ),
        after=(SERVICE_MONITOR,),
    )


def dashboards_bundle(spec: StackSpec, facts: ExportFacts) -> Bundle:
    """The dashboards as ConfigMaps that Grafana's sidecar finds, and the data source that they choose by themselves."""
    panels = {path.removeprefix(_PANELS): text for path, text in _texts(spec, GRAFANA, _PANELS).items()}
    return Bundle(
        name=DASHBOARDS,
        summary="Dashboards for Grafana, the same as the sandbox's, and their data source.",
        objects=(
            *(
                _found_by_grafana(spec, facts, _DASHBOARD, name.removesuffix(".json"), {name: text})
                for name, text in sorted(panels.items())
            ),
            _data_source(spec, facts),
        ),
        todo=(
            (
                "Grafana's sidecars have to look for ConfigMaps in this namespace: kube-prometheus-stack does for dashboards; for the data "
                "source set grafana.sidecar.datasources.searchNamespace=ALL, or choose another one at the top of each dashboard."
            ),
            (
                f"Dashboards lie in the folder {FOLDER} once grafana.sidecar.dashboards.folderAnnotation is grafana_folder and "
                "grafana.sidecar.dashboards.provider.foldersFromFilesStructure is true."
            ),
            f"The data source is Prometheus at {facts.prometheus_url}: export with --prometheus-url when yours is elsewhere.",
        ),
    )


def _monitors(spec: StackSpec, facts: ExportFacts) -> Iterator[Manifest]:
    names = object_names(spec)
    for model in models(spec):
        together = (model, shipper_of(spec, model))
        yield _monitor(spec, facts, names[model.name], together)
        if f"{model.env[Env.MODEL]}/{CHALLENGER}" in facts.images:
            # The same job and instance: it keeps the same promises and has the same limits; `version` says which is which.
            yield _monitor(spec, facts, further_name(spec, names[model.name], CHALLENGER), together)
    for name, images in _OTHERS.items():
        if any(key in facts.images for key in images):
            yield _monitor(spec, facts, names[name], (spec.service(name),))


def _monitor(spec: StackSpec, facts: ExportFacts, name: str, services: tuple[ServiceSpec, ...]) -> Manifest:
    whatever_component = {key: value for key, value in selector(name, "").items() if value}
    return manifest(
        "ServiceMonitor",
        name,
        namespace=facts.namespace,
        labels=_selected(spec, facts, name),
        spec={
            "selector": {"matchLabels": whatever_component},
            "endpoints": [_endpoint(each, each.metrics, name) for each in services if each.metrics is not None],
        },
    )


def _endpoint(service: ServiceSpec, scrape: Scrape, name: str) -> dict[str, Any]:
    scraped = load(asset("prometheus/prometheus.yml"))
    target = {"job": service.name, "instance": service.name, **scrape.labels}
    return {
        "port": port_name(service.port(scrape.port)),
        "path": scrape.path,
        # The windows of the rules are made for these.
        "interval": scraped["global"]["scrape_interval"],
        "scrapeTimeout": scraped["global"]["scrape_timeout"],
        "honorLabels": scraped["scrape_configs"][0]["honor_labels"],
        "relabelings": [
            # A second Service of the same pods, with the same labels, would have every pod counted twice.
            {"action": "keep", "sourceLabels": ["__meta_kubernetes_service_name"], "regex": name},
            # A pod whose image is still being fetched, or that ends as it was told to, is not down.
            {"action": "drop", "sourceLabels": ["__meta_kubernetes_pod_phase"], "regex": "Pending"},
            {"action": "drop", "sourceLabels": ["__meta_kubernetes_endpointslice_endpoint_conditions_terminating"], "regex": "true"},
            *({"action": "replace", "targetLabel": label, "replacement": value} for label, value in target.items()),
        ],
    }


def _data_source(spec: StackSpec, facts: ExportFacts) -> Manifest:
    """The sandbox's own, at another address; a Grafana that others use too keeps its default and its names."""
    (source,) = load(asset(_SOURCE))["datasources"]
    changed = {**source, "name": f"{FOLDER} {source['name']}", "url": facts.prometheus_url, "isDefault": False}
    text = yaml.safe_dump({"apiVersion": 1, "datasources": [changed]}, sort_keys=False)
    return _found_by_grafana(spec, facts, "datasource", source["uid"], {f"{source['uid']}.yaml": text})


def _found_by_grafana(spec: StackSpec, facts: ExportFacts, what: str, name: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap with a name of its own, not one of its content: nothing refers to it, and Grafana would keep the old one too."""
    return manifest(
        "ConfigMap",
        name,
        namespace=facts.namespace,
        labels={**labels(name, _COMPONENT, project=spec.project), f"{FOUND_BY_GRAFANA}{what}": "1"},
        annotations={"grafana_folder": FOLDER} if what == _DASHBOARD else None,
        data=dict(data),
    )


def _selected(spec: StackSpec, facts: ExportFacts, name: str) -> dict[str, str]:
    return {**labels(name, _COMPONENT, project=spec.project), "release": facts.prometheus_release}


def _texts(spec: StackSpec, service_name: str, folder: str) -> dict[str, str]:
    """The files of a service below a folder, by path."""
    found = {}
    for path, value in spec.service(service_name).files.items():
        if path.startswith(folder):
            match value:
                case Asset(asset_path):
                    found[path] = asset(asset_path)
                case str():
                    found[path] = value
                case _:
                    raise TypeError(f"{path} of {service_name} is no text")
    return found
