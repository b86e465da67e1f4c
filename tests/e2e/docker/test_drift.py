"""Drift in containers: told by Prometheus' rules, shown in status, and over when it is."""

from __future__ import annotations

import pandas as pd

from support.census import AGE, ALERT, alerts, all_arrived, ask_about, people, said
from support.docker_stack import DockerSandbox
from support.waiting import wait_for


def test_drift_must_be_told_while_it_lasts(full: DockerSandbox) -> None:
    """20,000 rows like those of the training must raise nothing; ages a standard deviation higher must, until they are normal again."""
    ask_about(full, people(20_000, seed=1))
    all_arrived(full, 20_000)
    assert (said(full)["reference"]["source"], said(full)["reference"]["rows"]) == ("given", 15_000)
    assert (said(full)["state"], [name for name in alerts(full) if "Drift" in name]) == ("steady", [])

    full.run("drift", "inject", "--column", AGE, "--shift", "1sd", "--for", "10s").ok()
    wait_for(lambda: ALERT in alerts(full), every=0.5, what="the alert")
    assert AGE in full.run("drift", "--fail-on-drift").out
    assert "/report.html" in full.run("open", "drift", "--print").ok().out

    ask_about(full, people(10_000, seed=2))
    wait_for(lambda: ALERT not in alerts(full), every=0.5, what="the end of the alert")
    told = {f"alert firing: {ALERT}", f"alert resolved: {ALERT}"}
    wait_for(
        lambda: all(line in full.run("logs", "shipper", "-n", "1000").ok().out for line in told), every=1, what="both lines of the receiver"
    )


def test_a_baseline_is_compared_with(full: DockerSandbox) -> None:
    """Rows of a file must become what the service in its container compares with, it alone be started anew, and a reset undo that."""
    before = {name: full.inspect(name)["State"]["Pid"] for name in full.containers() if name != "drift"}
    pd.DataFrame(people(3_000, seed=3)).to_csv(full.root / "older.csv", index=False)

    done = full.run("drift", "baseline", "set", "--from", "older.csv").ok()
    assert done.out.splitlines()[1].strip() == "the drift service compares with it"
    assert (said(full)["reference"]["rows"], said(full)["reference"]["baseline"]["source"]) == (3_000, "older.csv")
    assert f"a baseline of {said(full)['reference']['baseline']['created'][:10]}, from older.csv" in full.run("drift").out

    full.run("drift", "baseline", "reset").ok()
    assert (said(full)["reference"]["rows"], said(full)["reference"]["baseline"]) == (15_000, None)
    assert {name: full.inspect(name)["State"]["Pid"] for name in before} == before
