"""Configuration and rules, judged by the tools of Prometheus and Alertmanager, as they are shipped and as they are rendered."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mlsandbox.assets import asset_path
from mlsandbox.render.processes import Places, render_config
from mlsandbox.render.tree import write_tree
from mlsandbox.stack.build import build_stack
from support.monitoring import inputs, model, program
from support.waiting import HANG_SECONDS

CASES = sorted(Path(__file__).with_name("rules").glob("*.yml"))
_OUTCOMES = ("fires", "silent", "resolves")


def _run(*command: str | Path, given: str | None = None) -> str:
    done = subprocess.run([str(word) for word in command], input=given, capture_output=True, text=True, timeout=HANG_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def promtool(request: pytest.FixtureRequest) -> Path:
    return program(request, "promtool")


@pytest.fixture
def amtool(request: pytest.FixtureRequest) -> Path:
    return program(request, "amtool")


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The configuration of a stack with two models, one of whose objectives is beyond every bucket."""
    spec = build_stack(inputs(model(), model("churn", availability=1.0, latency_p95_seconds=60.0)))
    write_tree(tmp_path / ".sandbox/stack", render_config(spec, Places(tmp_path / ".sandbox", {}, {}, {}, tmp_path)))
    return tmp_path / ".sandbox/stack/config"


@pytest.mark.parametrize("cases", CASES, ids=[path.stem for path in CASES])
def test_alerts_fire_stay_silent_and_resolve(promtool: Path, cases: Path) -> None:
    """Every case of the rules must come out as written."""
    _run(promtool, "test", "rules", cases)


def test_a_wrong_expectation_fails(promtool: Path, tmp_path: Path) -> None:
    """The cases must be able to fail: with an expectation turned round they do."""
    text = next(path for path in CASES if path.stem == "resources").read_text("utf-8")
    wrong = text.replace("../../../..", str(asset_path("prometheus").parent)).replace("eval_time: 1m,", "eval_time: 2m30s,")
    (tmp_path / "wrong.yml").write_text(wrong, "utf-8")

    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "wrong.yml"], capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )

    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


def test_every_alert_has_cases_for_all_outcomes() -> None:
    """Names of cases say "<alert>: silent, fires, resolves (why)", several separated by semicolons; none may be left out."""
    covered: dict[str, set[str]] = {}
    for path in CASES:
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for part in re.sub(r"\([^)]*\)", "", test["name"]).split(";"):
                alert, _, outcomes = part.partition(":")
                covered.setdefault(alert.strip(), set()).update(outcome.strip() for outcome in outcomes.split(","))
    rules = [yaml.safe_load(path.read_text("utf-8")) for path in asset_path("prometheus/rules").glob("*.yml")]
    alerts = {rule["alert"] for file in rules for group in file["groups"] for rule in group["rules"] if "alert" in rule}

    assert covered == {alert: set(_OUTCOMES) for alert in alerts}


def test_what_is_rendered_is_valid(promtool: Path, amtool: Path, rendered: Path) -> None:
    """Configuration, rules and targets of a stack must pass without a warning."""
    said = _run(promtool, "check", "config", "--lint=all", "--lint-fatal", rendered / "prometheus/prometheus.yml")
    assert "WARNING" not in said
    assert "6 rule files found" in said
    _run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *sorted((rendered / "prometheus/rules").glob("*.yml")))
    assert "1 receivers" in _run(amtool, "check-config", rendered / "alertmanager/alertmanager.yml")


def test_what_is_shipped_is_valid(promtool: Path, amtool: Path) -> None:
    """The files themselves must be valid too, so that they can be read and tried without a stack."""
    _run(promtool, "check", "config", "--lint=all", "--lint-fatal", asset_path("prometheus/prometheus.yml"))
    _run(amtool, "check-config", asset_path("prometheus/alertmanager.yml"))


def test_examples_of_receivers_are_valid(amtool: Path, tmp_path: Path) -> None:
    """What the file shows for Slack, e-mail and PagerDuty must work when it is taken."""
    text = asset_path("prometheus/alertmanager.yml").read_text("utf-8")
    shown = text[text.index("\n# route:\n") + 1 :]
    examples = yaml.safe_load("".join(f"{line.removeprefix('#').removeprefix(' ')}\n" for line in shown.splitlines()))
    configuration = yaml.safe_load(text)
    configuration["route"] |= examples["route"]
    configuration["receivers"] += examples["receivers"]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(configuration), "utf-8")

    said = _run(amtool, "check-config", tmp_path / "alertmanager.yml")

    assert "4 receivers" in said
    critical = ("config", "routes", "test", "--config.file", str(tmp_path / "alertmanager.yml"), "severity=critical")
    assert _run(amtool, *critical).splitlines()[0] == "pagerduty,slack,sandbox"
