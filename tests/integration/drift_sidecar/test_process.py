"""The drift service as a process: what it takes in, what it tells, how it starts and ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlsandbox_serving.contract import Env
from mlsandbox_serving.drift_sidecar.state import FILE
from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.forward.framing import MOST_VALUES
from mlsandbox_serving.spool.writer import SpoolWriter
from support.drift_service import DriftService, entries, feedback, profile, record
from support.event_processes import STACK_ID, ShipperProcess, get, metric, ready_body
from support.waiting import HANG_SECONDS, wait_for

Make = Callable[..., DriftService]


def _send(drift: DriftService, records: list[dict[str, object]]) -> None:
    with ForwardClient("127.0.0.1", drift.forward_port) as client:
        client.send("sandbox.churn", entries(records))


def test_probes_name_our_stack(make_drift: Make) -> None:
    """The probes must echo the stack's id; nothing else is found there."""
    drift = make_drift()
    drift.start()

    body = ready_body(drift.probe_port)
    assert body is not None
    assert body["stack_id"] == STACK_ID
    assert get(drift.probe_port, "/livez")[0] == 200
    assert get(drift.probe_port, "/elsewhere")[0] == 404


def test_drift_is_told_everywhere(make_drift: Make) -> None:
    """A shifted column must be named by /status, drawn in the report, and set the metric that the alert asks for."""
    drift = make_drift(profiles={"churn/v1": profile()})
    drift.start()
    dice = np.random.default_rng(5)
    _send(drift, [record(dice, f"calm-{number}", 100) for number in range(10)])
    assert drift.model()["state"] == "steady"
    _send(drift, [record(dice, f"moved-{number}", 20, shift=2.0) for number in range(40)])

    told = drift.model()
    assert told["state"] == "drift"
    assert [kind["worst"][0]["column"] for kind in told["kinds"] if kind["kind"] == "features"] == ["age"]
    wait_for(
        lambda: metric(drift.probe_port, "sandbox_drift_detected", model="churn", version="v1", engine="native", kind="features") == 1,
        what="the next check is over",
    )
    for name in ("sandbox_drift_score", "sandbox_drift_severity", "sandbox_drift_certain", "sandbox_drift_detected"):
        assert metric(drift.probe_port, name, column="age", kind="features") > 0
        assert metric(drift.probe_port, name, column="city", kind="features") < 0.1
    assert metric(drift.probe_port, "sandbox_drift_rows_total", model="churn", version="v1") == 1_800
    assert metric(drift.probe_port, "sandbox_drift_checks_total", result="ok") > 0
    code, page = get(drift.probe_port, "/report.html")
    assert code == 200
    assert page.startswith("<!doctype html>")
    assert "<svg" in page
    assert {each["column"] for each in json.loads(get(drift.probe_port, "/report")[1])["models"][0]["columns"]} == {
        *("age", "income", "city", "prediction", "label", "error")
    }


def test_each_version_of_each_model_has_its_own_monitor(make_drift: Make) -> None:
    """Rows of one version must not be compared with another's reference, nor one model's drift be told of another."""
    drift = make_drift(profiles={"churn/v1": profile(), "churn/v2": profile(1), "wine/v1": profile(2)})
    drift.start()
    dice = np.random.default_rng(6)
    _send(
        drift,
        [
            each
            for number in range(30)
            for each in (
                record(dice, f"a-{number}", 20),
                record(dice, f"b-{number}", 30, version="v2", shift=2.0),
                record(dice, f"c-{number}", 10, model="wine"),
                record(dice, f"d-{number}", 5, model="beer"),
            )
        ],
    )

    told = {(each["model"], each["version"]): (each["rows"], each["state"]) for each in drift.status()["models"]}
    assert told == {
        ("churn", "v1"): (600, "steady"),
        ("churn", "v2"): (900, "drift"),
        ("wine", "v1"): (300, "steady"),
        ("beer", "v1"): (0, "learning"),
    }


def test_without_a_reference_the_first_rows_become_it(make_drift: Make) -> None:
    """So many live rows must be learned, also over a restart, then compared; and that must be said."""
    drift = make_drift(**{Env.DRIFT_LEARN_ROWS: "1000"})
    drift.start()
    dice = np.random.default_rng(8)
    _send(drift, [record(dice, f"first-{number}", 30) for number in range(20)])
    assert drift.model()["state"] == "learning"
    drift.kill()
    drift.start()
    _send(drift, [record(dice, f"next-{number}", 30) for number in range(30)])

    told = drift.model()
    reference = {name: told["reference"][name] for name in ("rows", "source", "rows_to_learn", "problem")}
    assert reference == {"rows": 1_000, "source": "live", "rows_to_learn": 0, "problem": None}
    assert told["rows"] == 500
    _send(drift, [record(dice, f"moved-{number}", 20, shift=2.0) for number in range(40)])
    assert drift.model()["state"] == "drift"


def test_a_profile_that_cannot_be_read_is_told(make_drift: Make, tmp_path: Path) -> None:
    """A damaged profile must not keep the service from starting; why it is not used is said in words."""
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "profile.json").write_text("{")
    drift = make_drift(**{Env.DRIFT_PROFILES: f"churn/v1={damaged}"})
    drift.start()

    assert "damaged" in drift.model()["reference"]["problem"]
    assert "damaged" in get(drift.probe_port, "/report.html")[1]


def test_a_version_without_a_profile_is_no_problem(make_drift: Make, tmp_path: Path) -> None:
    """Without a folder for its profile a version must learn from live rows, and nothing be called wrong."""
    drift = make_drift(**{Env.DRIFT_PROFILES: f"churn/v1={tmp_path / 'nowhere'}"})
    drift.start()

    assert drift.model()["reference"]["problem"] is None


def test_an_empty_folder_is_no_problem(make_drift: Make, tmp_path: Path) -> None:
    """A version that was handed out without a profile must be told of as served, and learn from live rows without a problem."""
    (tmp_path / "handed/churn/v7").mkdir(parents=True)
    drift = make_drift(**{Env.DRIFT_PROFILES: f"churn/*={tmp_path}/handed/churn"})
    drift.start()

    assert drift.model(version="v7")["reference"]["problem"] is None


def test_strange_events_are_counted_and_do_no_harm(make_drift: Make) -> None:
    """Errors are left alone, malformed events counted; what comes after them is taken as if they were not there."""
    drift = make_drift(profiles={"churn/v1": profile()})
    drift.start()
    dice = np.random.default_rng(9)
    strange: list[dict[str, object]] = [
        {"event.id": "e", "event.dataset": "sandbox.error", "sandbox.model": "churn"},
        {"message": "of another program"},
        {**record(dice, "m1"), "sandbox.inputs": "no columns"},
        {**record(dice, "m2"), "sandbox.predictions": None},
        {**record(dice, "m3"), "event.id": 7},
        {**record(dice, "ok1"), "sandbox.inputs": {"age": [{"deep": [1]}], "city": [], "new": [float("nan")]}},
        {**record(dice, "ok2"), "sandbox.probabilities": "none"},
    ]
    _send(drift, [{**record(dice, "m4"), "sandbox.inputs": {"age": [0] * (MOST_VALUES + 1)}}])
    _send(drift, [*strange, record(dice, "ok3", 5)])

    counts = {
        result: metric(drift.probe_port, "sandbox_drift_events_total", result=result)
        for result in ("used", "error", "other", "malformed", "duplicate")
    }
    assert counts == {"used": 3, "error": 1, "other": 1, "malformed": 4, "duplicate": 0}
    assert drift.model()["rows"] == 7
    assert drift.model()["extra_columns"] == {"new": 1}


def test_labels_become_performance(make_drift: Make) -> None:
    """Labels that come before, with or after their predictions must be joined with them, and shown."""
    drift = make_drift(profiles={"churn/v1": profile()})
    drift.start()
    predictions = [record(np.random.default_rng(number), f"p-{number}") for number in range(10)]
    labels = [feedback(f"l-{number}", f"request-p-{number}", "yes") for number in range(10)]
    right = sum(each["sandbox.predictions"] == ["yes"] for each in predictions) / 10
    _send(drift, [*labels[:5], *predictions, *labels[5:]])

    wait_for(lambda: {each["window"]: each["labels"] for each in drift.model()["performance"]}.get("all") == 10, what="joined")
    told = {each["window"]: each for each in drift.model()["performance"]}
    assert told["all"]["metrics"]["accuracy"] == pytest.approx(right)
    wait_for(
        lambda: metric(drift.probe_port, "sandbox_performance", window="all", metric="accuracy") == pytest.approx(right),
        what="the next check is over",
    )
    assert metric(drift.probe_port, "sandbox_performance_labels", model="churn", window="all") == 10


def test_it_catches_up_after_an_outage_in_bounded_memory(make_drift: Make, make_shipper: Callable[..., ShipperProcess]) -> None:
    """A spool of tens of megabytes that waited for it must be taken in without growing by as much."""
    drift = make_drift(profiles={"churn/v1": profile()})
    shipper = make_shipper(drift)
    writer = SpoolWriter(shipper.spool, max_bytes=10**9, worker="w")
    dice = np.random.default_rng(10)
    template = record(dice, "", 500)
    shipper.start()
    for number in range(1_200):
        writer.append({**template, "event.id": f"id-{number}", "http.request.id": f"r-{number}"}, time.time())
    writer.close()
    assert sum(path.stat().st_size for path in shipper.spool.iterdir()) > 15e6
    drift.start()
    before = metric(drift.probe_port, "process_resident_memory_bytes")
    wait_for(lambda: drift.model()["rows"] == 600_000, what="everything was taken in", every=0.2)

    assert metric(drift.probe_port, "process_resident_memory_bytes") - before < 100e6
    assert metric(drift.probe_port, "process_resident_memory_bytes") < 220e6


def test_it_stops_when_asked_and_saves(make_drift: Make) -> None:
    """SIGTERM must end it with 0; whole blocks are saved then, and only rows that wait for theirs are left in the journal."""
    drift = make_drift(profiles={"churn/v1": profile()})
    drift.start()
    _send(drift, [record(np.random.default_rng(number), f"id-{number}", 10) for number in range(25)])

    assert drift.journal() == 25
    assert drift.stop() == 0
    assert drift.journal() == 5
    drift.start()
    assert drift.model()["rows"] == 250


def test_a_damaged_state_is_told(make_drift: Make) -> None:
    """A damaged file must be moved aside at the start, counted, and the service go on from nothing."""
    drift = make_drift(profiles={"churn/v1": profile()})
    drift.start()
    _send(drift, [record(np.random.default_rng(1), "id", 10)])
    drift.stop()
    (drift.folder / FILE).write_bytes(b"this is no database" * 1000)
    drift.start()

    assert drift.model()["rows"] == 0
    wait_for(lambda: metric(drift.probe_port, "sandbox_drift_state_corruptions_total") == 1, what="it is counted")
    assert "moved it to" in drift.log.read_text()


def test_what_it_cannot_run_with_is_said(make_drift: Make) -> None:
    """A setting out of bounds must end it at once, and name the variable."""
    drift = make_drift(**{Env.DRIFT_CHECK_SECONDS: "-1"})
    drift.start(wait=False)
    assert drift.process is not None

    assert drift.process.wait(timeout=HANG_SECONDS) == 1
    assert "DRIFT_CHECK_SECONDS" in drift.log.read_text()
