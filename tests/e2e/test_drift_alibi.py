"""A stack with both drift engines: side by side, told once what the second one may be used for, and back after a kill."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from mlsandbox.errors import PythonMissing
from mlsandbox.packaging.environments import service_python
from mlsandbox_serving.contract import DriftEngine
from support.sandbox import DRIFT, Sandbox
from support.waiting import wait_for

TRAIN = """
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline
import mlsandbox
dice = np.random.default_rng(0)
def rows(count):
    return pd.DataFrame({"age": dice.normal(40, 10, count), "income": dice.lognormal(10, 1, count), "children": dice.integers(0, 5, count)})
frame = rows(6_000)
label = (frame["age"] + dice.normal(0, 5, len(frame)) > 45).map({True: "leaves", False: "stays"})
mlsandbox.save(make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, label), "churn", reference=frame, target=label, path=".")
rows(2_000).to_parquet("same.parquet")
"""
BOTH = {**DRIFT, "SANDBOX_DRIFT_ENGINES": "native,alibi"}
IMPORT_SECONDS = 120.0


@pytest.fixture
def both(make_sandbox: Any) -> Sandbox:
    """A trained model in a project with both engines; skipped only where no Python is on which alibi-detect runs."""
    try:
        service_python("drift-alibi")
    except PythonMissing as missing:
        pytest.skip(f"{missing}: {missing.why}")
    sandbox: Sandbox = make_sandbox(extra=BOTH)
    sandbox.script(TRAIN)
    return sandbox


def _said(sandbox: Sandbox) -> dict[str, Any]:
    """What both engines say of the model."""
    (model,) = sandbox.run("drift", "-o", "json").ok().json["models"]
    return dict(model)


def _opinion(sandbox: Sandbox, windows: int) -> dict[str, Any] | None:
    """The second one, once it has compared so many windows."""
    opinion = _said(sandbox)["alibi"]
    return opinion if opinion is not None and opinion["windows"] >= windows and not opinion["waiting_windows"] else None


def test_two_engines_side_by_side(both: Sandbox) -> None:
    """Both must call rows like the reference steady and a shifted column drift; a killed service must come back with both."""
    first = both.run("up", "-o", "json").ok().json
    assert first["notes"] == [DriftEngine.LICENCE]
    assert both.run("up", "-o", "json").ok().json["notes"] == []

    both.run("predict", "--data", "same.parquet", "-o", "jsonl").ok()
    calm = wait_for(lambda: _opinion(both, 2), timeout=IMPORT_SECONDS, every=0.5, what="two windows are compared")
    assert calm["state"] == "steady"
    assert calm["reference"]["rows"] == 6_000
    assert _said(both)["state"] == "steady"

    both.run("drift", "inject", "--column", "age", "--shift", "1sd", "--for", "12s", "--rate", "100").ok()
    wait_for(lambda: _opinion(both, 3), timeout=IMPORT_SECONDS, every=0.5, what="the window of the changed rows is compared")
    found = both.run("drift", "--fail-on-drift")
    assert found.code == 3, found.out
    assert "second opinion: alibi, 3 windows of 1,000 rows The last window differs" in " ".join(found.out.split())
    before = _said(both)
    assert "age" in {each["column"] for each in before["alibi"]["window"]["columns"] if each["drifted"]}

    (service,) = [each for each in both.status()["services"] if each["name"] == "drift"]
    os.kill(service["pid"], signal.SIGKILL)
    wait_for(lambda: _is_back(both, service["pid"]), timeout=IMPORT_SECONDS, every=0.5, what="the service is back")
    again = wait_for(lambda: _opinion(both, 3), timeout=IMPORT_SECONDS, every=0.5, what="both engines are back")
    assert (again["windows"], again["rows"], again["state"]) == (3, before["alibi"]["rows"], "drift")
    assert _said(both)["rows"] == before["rows"]
    document = both.run("drift", "-o", "json").ok().json
    assert {each["name"]: each["on"] for each in document["engines"]} == {"native": True, "alibi": True}


def test_a_pull_says_the_licence_before_it_installs_anything(both: Sandbox) -> None:
    """It must be said once per project, by whichever command is the first to install the engine."""
    assert DriftEngine.LICENCE in " ".join(both.run("pull", "--progress", "plain").ok().err.split())
    assert "non-production" not in both.run("pull", "--progress", "plain").ok().err
    assert both.run("up", "-o", "json").ok().json["notes"] == []


def _is_back(sandbox: Sandbox, former: int) -> bool:
    (service,) = [each for each in sandbox.status()["services"] if each["name"] == "drift"]
    return bool(service["state"] == "healthy" and service["pid"] != former)


def test_without_alibi_there_is_no_licence_and_no_large_environment(both: Sandbox) -> None:
    """What is left out of the engines must leave nothing behind."""
    both.extra = {**BOTH, "SANDBOX_DRIFT_ENGINES": "native"}

    assert both.run("up", "-o", "json").ok().json["notes"] == []
    wait_for(lambda: both.run("drift", "-o", "json").code == 0, timeout=IMPORT_SECONDS, every=0.5, what="the drift service answers")
    document = both.run("drift", "-o", "json").ok().json
    assert [each["name"] for each in document["engines"]] == ["native"]
    assert all(each["alibi"] is None for each in document["models"])
