"""What all dashboards have in common."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from mlsandbox.annotations import TAGS
from mlsandbox.stack.components.grafana import DASHBOARDS
from mlsandbox_serving.contract import Metrics
from support.dashboards import FOLDER, dashboards, panels
from support.repository import ROOT

Json = dict[str, Any]
ALL = dashboards()
_VARIABLES = {
    "sandbox-overview": ["datasource", "job", "instance", "model", "version", "route", "latency_slo", "objective"],
    "sandbox-drift": ["datasource", "job", "instance", "model", "version", "engine"],
    "sandbox-runtime": ["datasource", "job", "instance"],
    "sandbox-pipeline": ["datasource", "job", "instance"],
}
register_default_plugins()
each_dashboard = pytest.mark.parametrize("dashboard", ALL.values(), ids=[each["uid"] for each in ALL.values()])


def test_committed_dashboards_are_what_the_generator_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed files must be those of tools/dashboards, and no other; `python tools/write_dashboards.py` writes them anew."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    made = importlib.import_module("dashboards").files()

    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == made


def test_the_stack_has_exactly_these_dashboards() -> None:
    """What is drawn must be what Grafana is given, the home page first, in files that are called by the uid."""
    assert {f"{uid}.json" for uid in DASHBOARDS} == set(ALL)
    assert all(name == f"{each['uid']}.json" for name, each in ALL.items())
    assert DASHBOARDS[0] == "sandbox-overview"


@each_dashboard
def test_frame(dashboard: Json) -> None:
    """A dashboard must be found by a stable uid and tag, not be edited here, refresh itself, and share its crosshair."""
    assert re.fullmatch(r"sandbox-[a-z]+", dashboard["uid"])
    assert len(dashboard["uid"]) <= 40
    assert dashboard["tags"] == ["sandbox", dashboard["uid"].removeprefix("sandbox-")]
    assert dashboard["title"].startswith("Sandbox / ")
    assert dashboard["description"]
    assert dashboard["editable"] is False
    assert dashboard["graphTooltip"] == 1
    assert dashboard["refresh"] == "10s"
    assert dashboard["time"] == {"from": "now-30m", "to": "now"}


@each_dashboard
def test_links(dashboard: Json) -> None:
    """From each dashboard a reader must reach all others, with the time and the variables that are chosen."""
    (link,) = dashboard["links"]

    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == ("dashboards", ["sandbox"], True, True)


@each_dashboard
def test_version_changes_are_marked(dashboard: Json) -> None:
    """Each dashboard must show the annotations that `sandbox up` sets."""
    target = dashboard["annotations"]["list"][1]["target"]

    assert (target["type"], target["tags"], target["matchAny"]) == ("tags", list(TAGS), False)


@each_dashboard
def test_variables(dashboard: Json) -> None:
    """A dashboard must have exactly its variables, in this order; those with values of labels choose all unless told otherwise."""
    variables = dashboard["templating"]["list"]

    assert [each["name"] for each in variables] == _VARIABLES[dashboard["uid"]]
    assert [each["label"] for each in variables if each["type"] == "datasource"] == ["Data source"]
    for each in variables:
        if each["type"] == "query":
            assert (each["multi"], each["includeAll"], each["allValue"], each["refresh"]) == (True, True, ".+", 2)
            assert each["current"]["value"] == ["$__all"]


def test_the_latency_objective_is_a_bound_of_the_histogram() -> None:
    """Only what the histogram counts can be chosen: how many requests took 0.06 s nobody knows."""
    variables = {each["name"]: each for each in ALL["sandbox-overview.json"]["templating"]["list"]}
    bounds = [str(bound) for bound in Metrics.REQUEST_SECONDS.buckets]

    assert [each["value"] for each in variables["latency_slo"]["options"]] == bounds
    assert variables["latency_slo"]["current"]["value"] in bounds
    assert all(0 < float(each["value"]) < 1 for each in variables["objective"]["options"])


@each_dashboard
def test_panels_say_what_they_are(dashboard: Json) -> None:
    """Each panel must have a title, a description that names its metrics, a unit, the chosen data source, and words for no data."""
    for panel in panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert re.search(r"\.\n\nMetric: `", panel["description"]), panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]
        assert panel["targets"], panel["title"]
        assert {source["uid"] for source in _sources(panel)} == {"${datasource}"}, panel["title"]


@each_dashboard
def test_titles_name_one_panel(dashboard: Json) -> None:
    """Within a row a title must name one panel."""
    row = ""
    seen: set[tuple[str, str]] = set()
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        assert (row, panel["title"]) not in seen
        seen.add((row, panel["title"]))


@each_dashboard
def test_no_panel_lies_on_another(dashboard: Json) -> None:
    """Panels must lie side by side in the grid's 24 columns, and have numbers of their own."""
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


@each_dashboard
def test_grafana_knows_every_key(dashboard: Json) -> None:
    """Grafana's own library must give back all that it is given: a key that it loses is a mistyped one."""
    assert list(_lost(dashboard, _through_grafanas_library(dashboard))) == []


def test_a_mistyped_key_would_be_seen() -> None:
    """The library must lose what Grafana does not know, or the test above proves nothing."""
    dashboard = {**ALL["sandbox-runtime.json"], "grafTooltip": 1}
    panel = next(panels(dashboard))
    mistyped = {**panel, "options": {**panel["options"], "textmode": "auto"}}
    dashboard["panels"] = [mistyped]

    assert list(_lost(dashboard, _through_grafanas_library(dashboard))) == ["/panels[0]/options/textmode", "/grafTooltip"]


def _through_grafanas_library(dashboard: Json) -> Any:
    return json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))


def _lost(given: Any, back: Any, path: str = "") -> Iterator[str]:
    """Paths of what is not given back as it was."""
    if isinstance(given, dict):
        for key, value in given.items():
            if isinstance(back, dict) and key in back:
                yield from _lost(value, back[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}"
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for index, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from _lost(one, other, f"{path}[{index}]")
    elif given != back:
        yield path


def _sources(panel: Json) -> Iterator[Json]:
    yield panel["datasource"]
    for target in panel["targets"]:
        yield target["datasource"]
