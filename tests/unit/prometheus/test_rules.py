"""Conventions that every alert keeps, so that whoever is told of one knows how bad it is, what it means and what to do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from mlsandbox.assets import asset_path
from mlsandbox.runbook import sections
from mlsandbox.stack.build import build_stack
from mlsandbox.stack.components import COMPONENTS
from mlsandbox.stack.parts import MODEL
from support.monitoring import inputs
from support.repository import ROOT

RULES = sorted(asset_path("prometheus/rules").glob("*.yml"))
ALL: list[dict[str, Any]] = [
    rule for path in RULES for group in yaml.safe_load(path.read_text("utf-8"))["groups"] for rule in group["rules"]
]
ALERTS = [rule for rule in ALL if "alert" in rule]
RUNBOOK = ROOT / "docs/runbook.md"
DOCUMENTS = ROOT / "docs/cli.md"


def _name(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


@pytest.mark.parametrize("alert", ALERTS, ids=_name)
def test_an_alert_says_all_that_is_needed(alert: dict[str, Any]) -> None:
    """Name, duration, severity, summary, description with the number, runbook and dashboard must be there, in the usual form."""
    annotations = alert["annotations"]
    assert re.fullmatch(r"Sandbox[A-Z][A-Za-z]+", alert["alert"])
    assert re.fullmatch(r"\d+[sm]", alert["for"])
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert not re.search(r"\d|\{\{", annotations["summary"])
    assert re.search(r"\{\{ \$value \| humanize\w* \}\}", annotations["description"])
    assert "\n" not in annotations["description"].strip()
    assert annotations["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"


@pytest.mark.parametrize("alert", ALERTS, ids=_name)
def test_an_alert_leads_to_a_dashboard_that_is_there(alert: dict[str, Any]) -> None:
    """The dashboard of an alert must be one of those that are shipped."""
    uids = {json.loads(path.read_text("utf-8"))["uid"] for path in asset_path("grafana/dashboards").rglob("*.json")}

    assert alert["annotations"]["dashboard_url"] in {f"/d/{uid}" for uid in uids}


def test_recorded_names_say_level_metric_and_operation() -> None:
    """Recording rules must be named level:metric:operation."""
    recorded = [rule["record"] for rule in ALL if "record" in rule]

    assert recorded
    assert [name for name in recorded if not re.fullmatch(r"(model|instance):[a-z_]+:[a-z0-9_]+", name)] == []


def test_burn_alerts_name_their_windows() -> None:
    """Alerts on objectives must say that their windows are those of a laptop."""
    burning = [alert for alert in ALERTS if "Burn" in alert["alert"]]

    assert {alert["labels"].get("window_preset") for alert in burning} == {"laptop"}


def test_a_dead_model_is_told_of_within_a_minute() -> None:
    """What the configuration adds up to, scrape, evaluation, duration and grouping, must stay far below a minute."""
    configuration = yaml.safe_load(asset_path("prometheus/prometheus.yml").read_text("utf-8"))["global"]
    grouping = yaml.safe_load(asset_path("prometheus/alertmanager.yml").read_text("utf-8"))["route"]
    (critical,) = [a for a in ALERTS if a["alert"] == "SandboxServiceDown" and a["labels"]["severity"] == "critical"]

    waits = [configuration["scrape_interval"], configuration["scrape_timeout"], configuration["evaluation_interval"], critical["for"]]
    seconds = [int(wait.removesuffix("s")) for wait in [*waits, configuration["evaluation_interval"], grouping["group_wait"]]]
    assert sum(seconds) <= 40


def test_the_runbook_has_a_section_for_each_alert() -> None:
    """Sections and alerts must match one to one, each with meaning, impact, how to look and how to mend."""
    found = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text("utf-8"), re.MULTILINE | re.DOTALL))

    assert set(found) == {alert["alert"] for alert in ALERTS}
    for name, text in found.items():
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Meaning", "Impact", "Look", "Mend"], name
        assert re.search(r"^\$ sandbox ", text, re.MULTILINE), name


def test_the_runbook_uses_commands_that_there_are() -> None:
    """Every command of the runbook, with its options, must be one that the command line has."""
    documented = dict(re.findall(r"^## sandbox (\w+)\n(.*?)(?=^## |\Z)", DOCUMENTS.read_text("utf-8"), re.MULTILINE | re.DOTALL))
    used = re.findall(r"^\$ sandbox (\w+)([^#\n|]*)", RUNBOOK.read_text("utf-8"), re.MULTILINE)

    assert used
    for command, rest in used:
        options = re.findall(r"(?<!\S)--?[a-z]+", rest)
        assert [option for option in options if not re.search(rf"{option}\b", documented[command])] == [], (command, rest)


def test_links_within_the_runbook_lead_somewhere() -> None:
    """A section that another one refers to must be there."""
    text = RUNBOOK.read_text("utf-8")
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", text, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= headings


def test_assets_hold_no_addresses() -> None:
    """The files that are shipped must be the same for every stack: no address and no port but in examples."""
    for path in asset_path("prometheus").rglob("*.yml"):
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
        assert [line for line in lines if re.search(r"\d+\.\d+\.\d+\.\d+|https?://|localhost", line)] == []


def test_help_has_the_section_of_each_alert() -> None:
    """`sandbox help ALERT` must have what the runbook says of it."""
    assert set(sections()) == {alert["alert"] for alert in ALERTS}
    assert "sandbox logs api" in sections()["SandboxServiceDown"]
    assert not re.search(r"```|\*\*|\]\(", "".join(sections().values()))


def test_all_kinds_of_services_are_known_by_name() -> None:
    """Every service beside the models must be one that SandboxServiceDown tells of, whatever else the same Prometheus scrapes."""
    everything = frozenset(component.name for component in COMPONENTS)
    kinds = {
        service.metrics.labels.get("job", service.name) for service in build_stack(inputs(chosen=everything)).services if service.metrics
    }
    (beside,) = [a["expr"] for a in ALERTS if a["alert"] == "SandboxServiceDown" and "job=~" in a["expr"]]
    known = re.search(r'job=~"([^"]+)"', beside)

    assert known is not None
    assert set(known[1].split("|")) == kinds - {MODEL}
