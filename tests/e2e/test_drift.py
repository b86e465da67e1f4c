"""A stack that watches for drift: silent while rows are like those of the training, clear when they are not, and quiet again."""

from __future__ import annotations

from collections.abc import Callable

from support.census import AGE, ALERT, alerts, all_arrived, ask_about, people, people_of, said
from support.example import train_example
from support.sandbox import DRIFT, Sandbox
from support.waiting import wait_for


def test_drift_must_be_told_while_it_lasts(make_sandbox: Callable[..., Sandbox]) -> None:
    """20,000 rows like those of the training must raise nothing; ages a standard deviation higher must, until they are normal again."""
    sandbox = make_sandbox("employment", extra=DRIFT)
    train_example(sandbox)
    sandbox.run("up").ok()

    ask_about(sandbox, people(20_000, seed=1))
    all_arrived(sandbox, 20_000)
    assert (said(sandbox)["reference"]["source"], said(sandbox)["reference"]["problem"]) == ("given", None)
    assert sandbox.run("drift", "--fail-on-drift").code == 0
    assert (sandbox.status()["drift"]["state"], alerts(sandbox)) == ("steady", [])

    sandbox.run("drift", "inject", "--column", AGE, "--shift", "1sd", "--for", "10s").ok()
    wait_for(lambda: ALERT in alerts(sandbox), timeout=50, every=0.5, what="the alert, a minute after the first such row at most")
    text = sandbox.run("status").out
    assert f"attention: alert {ALERT} (warning, employment)" in text
    assert f"sandbox help {ALERT}" in text
    drifted = sandbox.run("drift", "--fail-on-drift")
    assert drifted.code == 3
    assert AGE in drifted.out

    ask_about(sandbox, people(20_000, seed=2))  # an alarm that comes back while rows are mixed begins the count of quiet rows anew
    wait_for(lambda: not alerts(sandbox), every=0.5, what="the end of the alert")
    wait_for(lambda: said(sandbox)["state"] == "steady", every=0.5, what="the end of the change, whether it mattered or not")


def test_a_new_top_code_must_be_found_and_named(make_sandbox: Callable[..., Sandbox]) -> None:
    """From 2017 on the census writes 95 where it wrote 94 for the oldest, one row in 130: both must be named, on the page too."""
    sandbox = make_sandbox("employment", extra=DRIFT)
    train_example(sandbox)
    sandbox.run("up").ok()
    ask_about(sandbox, people(5_000, seed=3))
    ask_about(sandbox, people_of(2017, 3_000))
    all_arrived(sandbox, 8_000)

    text = sandbox.run("drift").ok().out
    sandbox.run("drift", "report", "--html", "drift.html").ok()

    page = (sandbox.root / "drift.html").read_text(encoding="utf-8").replace("<bdi>", "").replace("</bdi>", "")
    for shown in (text, page):
        assert AGE in shown
        assert "95 is above the reference maximum 94" in shown


TRAIN = """
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
frame = pd.DataFrame({"age": [float(i % 60) for i in range(200)], "children": [i % 5 for i in range(200)]})
joblib.dump(LogisticRegression().fit(frame, frame["age"] > 30), "leaves.joblib")
"""


def test_without_a_reference_it_must_learn(make_sandbox: Callable[..., Sandbox]) -> None:
    """A model that came without reference rows must have its first live rows become the reference, and `status` must say so."""
    sandbox = make_sandbox(extra=DRIFT)
    sandbox.script(TRAIN)

    sandbox.run("up", "leaves.joblib", "--example", '{"age": 45.0, "children": 2}').ok()
    wait_for(lambda: said(sandbox)["last_event"], every=0.2, what="the smoke prediction in the drift service")

    assert said(sandbox)["reference"]["source"] == "live"
    assert sandbox.status()["drift"]["state"] == "learning"
    assert "The first live rows become the reference" in sandbox.run("status").out
