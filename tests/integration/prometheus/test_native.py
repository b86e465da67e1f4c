"""Prometheus and Alertmanager as child processes, with the configuration that is shipped."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.alerts import Alert, active_alerts, firing_alerts
from mlsandbox.engines.base import Desired, Result
from mlsandbox.engines.embedded import EmbeddedEngine
from support.leaks import assert_nothing_left
from support.monitoring import MODEL, ask, monitored, program
from support.waiting import HANG_SECONDS, wait_for


class Stack:
    """A running stack."""

    def __init__(self, root: Path, desired: Desired) -> None:
        self.root = root
        self.desired = desired
        self.engine = EmbeddedEngine(root)
        self.ports = {port.name: port.number for service in desired.spec.services for port in service.ports}

    def up(self) -> None:
        plan = self.engine.plan(self.desired, self.engine.observe())
        outcome = self.engine.apply(plan, lambda _change: None, timeout=HANG_SECONDS)
        assert outcome.result is Result.READY, outcome

    def stop(self, *services: str) -> None:
        self.engine.apply(self.engine.plan_stop(services or None, self.engine.observe()), lambda _change: None, timeout=HANG_SECONDS)

    def targets(self) -> dict[str, Any]:
        found = ask(self.ports["prometheus"], "/api/v1/targets")["data"]["activeTargets"]
        return {each["labels"]["instance"]: each for each in found}

    def value(self, query: str) -> float | None:
        result = ask(self.ports["prometheus"], "/api/v1/query", query=query)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def instances(self, query: str) -> set[str]:
        result = ask(self.ports["prometheus"], "/api/v1/query", query=query)["data"]["result"]
        return {each["metric"]["instance"] for each in result}

    def raise_alerts(self, *labels: dict[str, str], over: bool = False) -> None:
        """Tell Alertmanager of these as Prometheus would."""
        now = datetime.now(UTC)
        times = {"startsAt": (now - timedelta(minutes=1)).isoformat(), **({"endsAt": now.isoformat()} if over else {})}
        body = json.dumps([{"labels": each, **times} for each in labels]).encode()
        address = f"http://127.0.0.1:{self.ports['alertmanager']}/api/v2/alerts"
        with urllib.request.urlopen(urllib.request.Request(address, body, {"Content-Type": "application/json"}), timeout=HANG_SECONDS):
            pass

    def alert(self, name: str) -> Alert | None:
        return next((each for each in active_alerts(self.ports["alertmanager"]).alerts if each.name == name), None)

    def lines(self, service: str) -> str:
        return "\n".join(line.text for line in self.engine.logs([service], lines=1000, follow=False))


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs, in a folder whose name is as awkward as a user's may be."""
    programs = {
        "prometheus": program(request, "prometheus"),
        "alertmanager": program(request, "alertmanager", "prometheus-alertmanager"),
    }
    folder = tmp_path_factory.mktemp("native")
    root = folder / "Büro [Projekt] #2 = $HOME"
    root.mkdir()
    made = Stack(root, monitored(folder, programs))
    try:
        made.up()
        yield made
    finally:
        made.stop()
    assert_nothing_left(root, list(made.ports.values()))


@pytest.mark.parametrize("service", ["api-v1", "shipper", "log-store"])
def test_metrics_are_as_they_should_be(request: pytest.FixtureRequest, stack: Stack, service: str) -> None:
    """What each of our services shows must pass Prometheus' own check of names, types and help texts."""
    promtool = program(request, "promtool")
    spec = stack.desired.spec.service(service)
    assert spec.metrics is not None
    with urllib.request.urlopen(
        f"http://127.0.0.1:{spec.port(spec.metrics.port).number}{spec.metrics.path}", timeout=HANG_SECONDS
    ) as answer:
        shown = answer.read()

    checked = subprocess.run([promtool, "check", "metrics"], input=shown, capture_output=True, timeout=HANG_SECONDS, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    assert b"process_resident_memory_bytes" in shown


def test_metrics_of_others_that_rules_ask_for_are_shown(stack: Stack) -> None:
    """`up` and the memory of each service must be there under the names that the rules use, next to the limits."""
    services = {service.name for service in stack.desired.spec.services}
    limited = {service.name for service in stack.desired.spec.services if service.resources.memory_bytes}

    wait_for(lambda: stack.instances("up == 1") == services, what="all are up", every=0.2)
    wait_for(lambda: stack.instances("instance:sandbox_memory:ratio > 0") == limited, what="memory and limit", every=0.2)


def test_pages_of_other_sites_cannot_read_metrics(stack: Stack) -> None:
    """A browser must be told that only Prometheus' own pages may read what it answers."""
    port = stack.ports["prometheus"]
    own = f"http://127.0.0.1:{port}"
    allowed = {}
    for origin in (own, "http://elsewhere.example", f"{own}.elsewhere.example", "null"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)
        connection.request("GET", "/api/v1/query?query=up", headers={"Origin": origin})
        allowed[origin] = connection.getresponse().getheader("Access-Control-Allow-Origin")
        connection.close()

    assert {origin: text for origin, text in allowed.items() if text is not None} == {own: own}


def test_a_dead_model_quiets_what_follows_from_it(stack: Stack) -> None:
    """Other alerts of a model that does not answer must be held back, those of another model and of other services not.

    Nor does one that runs beside the champion hold back what is said of the model.
    """
    down = {"alertname": "SandboxServiceDown", "severity": "critical", "job": "api", "instance": "api-one-v1", "model": "one"}
    waiting = {"alertname": "SandboxEventsNotShipped", "severity": "warning", "sink": "fluentd"}
    beside = {"alertname": "SandboxServiceDown", "severity": "warning", "job": "grafana", "instance": "grafana"}
    tried = {**down, "severity": "warning", "stage": "beside", "instance": "api-two-v2", "model": "two"}
    fast = {"alertname": "SandboxErrorBudgetBurnFast", "severity": "critical", "model": "two"}
    slow = {"alertname": "SandboxErrorBudgetBurnSlow", "severity": "warning", "model": "two"}

    stack.raise_alerts(down, {**waiting, "model": "one"}, {**waiting, "model": "two"}, beside, tried, fast, slow)

    wait_for(
        lambda: (
            {(alert.name, alert.model) for alert in active_alerts(stack.ports["alertmanager"]).alerts}
            == {
                ("SandboxServiceDown", "one"),
                ("SandboxEventsNotShipped", "two"),
                ("SandboxServiceDown", None),
                ("SandboxServiceDown", "two"),
                ("SandboxErrorBudgetBurnFast", "two"),
            }
        ),
        what="only what is news is active",
        every=0.2,
    )
    stack.raise_alerts(down, {**waiting, "model": "one"}, {**waiting, "model": "two"}, beside, fast, slow, over=True)
    wait_for(lambda: not active_alerts(stack.ports["alertmanager"]).alerts, what="nothing is active", every=0.2)


def test_a_dead_model_is_told_of_and_so_is_its_return(stack: Stack) -> None:
    """Every target must be scraped and every rule evaluated; a model that is gone must be told of in time, and its return as well."""
    wait_for(
        lambda: (
            {name: each["health"] for name, each in stack.targets().items()}
            == dict.fromkeys(["api-v1", "shipper", "log-store", "alertmanager", "prometheus"], "up")
        ),
        what="all targets are scraped",
        every=0.2,
    )
    assert stack.targets()["api-v1"]["labels"] == {"job": "api", "instance": "api-v1", "model": MODEL}
    wait_for(lambda: stack.value("model:sandbox_availability:objective") == 0.999, what="the objectives are recorded", every=0.2)
    groups = ask(stack.ports["prometheus"], "/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"] if rule["lastEvaluation"] > "0001-01-02"} == {"ok"}
    assert {rule["name"]: rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")} == {}
    assert stack.alert("SandboxServiceDown") is None

    stack.stop("api-v1")
    alert = wait_for(lambda: stack.alert("SandboxServiceDown"), what="Alertmanager has the alert", every=0.2)
    told = f"alert firing: SandboxServiceDown ({MODEL}, api-v1), critical: The service of model {MODEL} cannot be reached"
    wait_for(lambda: told in stack.lines("shipper"), what="the shipper says so", every=0.2)
    assert (alert.severity, alert.service, alert.model) == ("critical", "api-v1", MODEL)
    fires = [each for each in firing_alerts(stack.ports["prometheus"]).alerts if each.name == alert.name]
    assert [(each.severity, each.model, each.summary) for each in fires] == [("critical", MODEL, alert.summary)]
    assert alert.runbook == "docs/runbook.md#sandboxservicedown"
    (source,) = [
        each["generatorURL"] for each in ask(stack.ports["alertmanager"], "/api/v2/alerts") if each["labels"]["alertname"] == alert.name
    ]
    assert source.startswith(f"http://127.0.0.1:{stack.ports['prometheus']}/graph?")

    stack.up()
    wait_for(lambda: stack.alert("SandboxServiceDown") is None, what="the alert has ended", every=0.2)
    told = f"alert resolved: SandboxServiceDown ({MODEL}, api-v1)"
    wait_for(lambda: told in stack.lines("shipper"), what="the shipper says so", every=0.2)
