"""The queries of the dashboards, by the rules of Grafana's dashboard linter and some of our own."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from mlsandbox_serving.contract import Metric, all_metrics
from support.dashboards import dashboards, needs, panel_queries, panels
from support.repository import ROOT

Json = dict[str, Any]
ALL = dashboards()
each_dashboard = pytest.mark.parametrize("dashboard", ALL.values(), ids=[each["uid"] for each in ALL.values()])

# Units of Grafana (packages/grafana-data/src/valueFormats/categories.ts) that are used here; another one is first looked up there.
_UNITS = {"none", "short", "percent", "percentunit", "bytes", "s", "cps", "ops", "reqps"}
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}(\[[^\]]+\])?")
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
_GROUPING = re.compile(r"\b(?:by|ignoring|on|without) ?\([^)]*\)|\bgroup_left\b|\bor\b")
_CALLED = re.compile(r"\w+\s*\(")


@pytest.fixture(scope="module")
def known() -> dict[str, Metric]:
    """Every metric that may be asked for, by name; a histogram's series too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        others = importlib.import_module("dashboards.metrics").other_metrics()
    metrics: dict[str, Metric] = {}
    for metric in (*all_metrics(), *others):
        suffixes = ("_bucket", "_sum", "_count") if metric.type == "histogram" else ("",)
        metrics |= {metric.name + suffix: metric for suffix in suffixes}
    return metrics


def test_every_query_has_panel_and_variables_put_in() -> None:
    """What a live Prometheus is asked must hold no variable any more."""
    queries = panel_queries()

    assert len({query.dashboard for query in queries}) == len(ALL)
    assert [str(query) for query in queries if "$" in query.expr] == []


def test_what_a_query_needs() -> None:
    """Queries of parts that a stack may lack must say so."""
    assert needs("sum(sandbox_requests_in_flight)") == "traffic"
    assert needs('rate(sandbox_requests_total{code=~"4..|5.."}[1m])') == "errors"
    assert {query.needs for query in panel_queries()} == {
        "traffic",
        "errors",
        "drift",
        "alibi",
        "labels",
        "elasticsearch",
        "fluentd",
        "log-store",
        "challenger",
    }


@each_dashboard
def test_only_known_metrics(dashboard: Json, known: dict[str, Metric]) -> None:
    """Each metric must be one of the contract, or of the list of other programs' metrics; all words in a query are accounted for."""
    for panel, expr in _queries(dashboard):
        assert [name for name, _, _ in _SELECTOR.findall(expr) if name not in known] == [], panel
        rest = _CALLED.sub("(", _GROUPING.sub("", _SELECTOR.sub("", expr)))
        assert re.findall(r"(?<![$\w])[a-z_]\w*", rest) == [], panel


@each_dashboard
def test_labels_are_those_of_the_metric(dashboard: Json, known: dict[str, Metric]) -> None:
    """A matcher on a label that the metric lacks never matches, or always."""
    for panel, expr in _queries(dashboard):
        for name, matchers, _ in _SELECTOR.findall(expr):
            labels = re.findall(r"(\w+)(?:=~|=|!=|!~)", matchers)
            allowed = {"job", "instance", *known[name].labels, *(["le"] if name.endswith("_bucket") else [])}
            assert set(labels) <= allowed, f"{panel}: {name}"


@each_dashboard
def test_job_and_instance(dashboard: Json) -> None:
    """template-job, template-instance, target-job, target-instance: both are variables, and every selector follows them."""
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    for name in ("job", "instance"):
        assert (variables[name]["type"], variables[name]["label"]) == ("query", name.title())
        assert variables[name]["datasource"]["uid"] == "${datasource}"
    for panel, expr in _queries(dashboard):
        for _, matchers, _ in _SELECTOR.findall(expr):
            assert matchers.startswith('job=~"$job", instance=~"$instance"'), panel


@each_dashboard
def test_chosen_values_are_followed(dashboard: Json, known: dict[str, Metric]) -> None:
    """What can be chosen at the top must narrow every query whose metric has that label, but for those fixed to some values."""
    names = {each["name"] for each in dashboard["templating"]["list"] if each["type"] == "query"}
    for panel, expr in _queries(dashboard):
        for name, matchers, _ in _SELECTOR.findall(expr):
            for label in names & set(known[name].labels):
                assert re.search(rf'\b{label}=(~"\${label}"|~?"[^$])', matchers), f"{panel}: {name}"


@each_dashboard
def test_counters_are_asked_for_their_rate(dashboard: Json, known: dict[str, Metric]) -> None:
    """target-counter-agg, target-rate-interval: a counter's value tells nothing, and a window of another length misses samples."""
    for panel, expr in _queries(dashboard):
        for found in _SELECTOR.finditer(expr):
            name, _, window = found.groups()
            function = re.search(r"(\w+)\($", expr[: found.start()])
            if known[name].type == "gauge":
                assert window in {None, "[$__range]"}, panel
            else:
                assert window == "[$__rate_interval]", panel
                assert function is not None, panel
                assert function[1] in {"rate", "increase"}, panel


@each_dashboard
def test_variables_ask_for_labels(dashboard: Json, known: dict[str, Metric]) -> None:
    """template-label-promql: values of a label of a known metric, narrowed by what stands before it."""
    for each in dashboard["templating"]["list"]:
        if each["type"] == "query":
            found = _LABEL_VALUES.fullmatch(each["query"])
            assert found is not None, each["query"]
            name = re.split(r"\{", found[1])[0]
            assert name in known
            assert found[2] in {"job", "instance", *known[name].labels}
            assert found[2] == each["name"]


@each_dashboard
def test_units(dashboard: Json) -> None:
    """panel-units: Grafana must know each unit."""
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels(dashboard)} <= _UNITS


@each_dashboard
def test_descriptions_name_the_metrics(dashboard: Json, known: dict[str, Metric]) -> None:
    """A description must name each metric of its panel."""
    for panel in panels(dashboard):
        asked = {known[name].name for target in panel["targets"] for name, _, _ in _SELECTOR.findall(target["expr"])}
        assert set(re.findall(r"`([^`]+)`", panel["description"])) == asked, panel["title"]


def test_recorded_metrics_are_recorded(known: dict[str, Metric]) -> None:
    """A metric with a colon must come from Prometheus's rules."""
    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml")))

    assert [name for name in known if ":" in name and f"record: {name}\n" not in rules] == []


def _queries(dashboard: Json) -> Iterator[tuple[str, str]]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
