"""The drift service's own events, as they reach the log store."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.contract import Action, Dataset, Env, Field
from mlsandbox_serving.drift_sidecar.telling import FOLDER
from mlsandbox_serving.drift_sidecar.told import FILE
from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.spool.entry import encode
from support.drift_service import DriftService, entries, profile, record
from support.event_processes import LogStore, metric
from support.waiting import wait_for

Make = Callable[..., DriftService]
PROFILES = {"churn/v1": profile()}


@pytest.fixture
def log_store(tmp_path: Path) -> Iterator[LogStore]:
    """A log store, not started yet."""
    store = LogStore(tmp_path)
    yield store
    store.kill()


@pytest.fixture
def drift(make_drift: Make, log_store: LogStore) -> DriftService:
    """A drift service that flags rows and delivers its events to the log store, not started yet."""
    return make_drift(profiles=PROFILES, **{Env.SINKS: f"log-store=127.0.0.1:{log_store.forward_port}", Env.DRIFT_FLAG_ROWS: "1"})


def _send(drift: DriftService, records: list[dict[str, Any]]) -> None:
    with ForwardClient("127.0.0.1", drift.forward_port) as client:
        client.send("sandbox.churn", entries(records))


def _shifted(count: int, shift: float, name: str) -> list[dict[str, Any]]:
    dice = np.random.default_rng(5)
    return [record(dice, f"{name}-{number}", 100, shift=shift) for number in range(count)]


def _of(log_store: LogStore, action: str) -> list[dict[str, Any]]:
    return [event for event in log_store.events() if event[Field.EVENT_ACTION] == action]


def _raised(log_store: LogStore) -> list[str]:
    return [event[Field.DRIFT_KIND] for event in _of(log_store, Action.RAISED)]


def test_alerts_must_reach_the_log(drift: DriftService, log_store: LogStore) -> None:
    """Raised and cleared must each be there once, and what is delivered be counted."""
    log_store.start()
    drift.start()
    _send(drift, _shifted(10, 1.0, "moved"))
    wait_for(lambda: _raised(log_store), what="an alert in the log")
    _send(drift, _shifted(80, 0.0, "back"))
    (cleared,) = wait_for(lambda: _of(log_store, Action.CLEARED), what="its end in the log")

    assert _raised(log_store).count("features") == 1
    assert cleared[Field.DRIFT_ROWS_SINCE] > 2_000
    assert {event[Field.EVENT_DATASET] for event in log_store.events()} <= {Dataset.DRIFT, Dataset.OUTLIERS}
    assert metric(drift.probe_port, "sandbox_events_shipped_total", model="drift", sink="log-store") >= 2


def test_alerts_of_a_version_that_was_replaced_must_end(drift: DriftService, make_drift: Make, log_store: LogStore) -> None:
    """When another version is served, and nothing comes of the former one any more, its alerts must be told as cleared."""
    log_store.start()
    drift.start()
    with ForwardClient("127.0.0.1", drift.forward_port) as client:
        client.send("sandbox.churn", [encode(each, time.time() - 7_200) for each in _shifted(10, 1.0, "moved")])
    wait_for(lambda: _raised(log_store), what="an alert in the log")
    assert drift.stop() == 0

    replaced = make_drift(profiles={"churn/v2": profile()}, **{Env.SINKS: f"log-store=127.0.0.1:{log_store.forward_port}"})
    replaced.start()
    cleared = wait_for(lambda: _of(log_store, Action.CLEARED), what="their end in the log")
    assert {each[Field.MESSAGE].partition(", ")[2] for each in cleared} == {"no longer served"}
    wait_for(lambda: len(_of(log_store, Action.CLEARED)) == len(_raised(log_store)), what="the end of each")


def test_rows_unlike_the_reference_must_reach_the_log(drift: DriftService, log_store: LogStore) -> None:
    """The event must be found by the request's id, also when the prediction is delivered twice."""
    log_store.start()
    drift.start()
    odd = record(np.random.default_rng(1), "odd", 2)
    odd[Field.INPUTS]["city"][1] = "Atlantis"
    for _ in range(2):
        _send(drift, [odd, record(np.random.default_rng(2), "even", 2)])

    (told,) = wait_for(lambda: _of(log_store, Action.OUTLIERS), what="the event of the odd row")
    assert told[Field.REQUEST_ID] == "request-odd"
    assert told[Field.DRIFT_FLAGS] == [{"row": 1, "columns": {"city": "unseen"}}]
    wait_for(
        lambda: metric(log_store.probe_port, "sandbox_log_store_events_total", result="duplicate") == 1,
        what="the second delivery is known as one",
    )


def test_an_alert_must_be_told_once_although_killed_before_it_was_written(drift: DriftService, log_store: LogStore) -> None:
    """Killed when the change was noted and no event could be written, the next service must write that event, and no other one."""
    drift.start()
    spool = drift.folder / FOLDER
    wait_for(spool.is_dir, what="the spool")
    spool.rename(drift.folder / "elsewhere")
    spool.write_text("in the way of the spool")
    _send(drift, _shifted(10, 1.0, "moved"))
    noted = wait_for(lambda: _outbox(drift), what="the change is noted")
    drift.kill()
    spool.unlink()

    log_store.start()
    drift.start()

    wait_for(lambda: set(noted) <= set(log_store.ids()), what="the noted events in the log")
    kinds = _raised(log_store)
    assert len(kinds) == len(set(kinds))
    assert _outbox(drift) == []


def test_an_alert_must_be_told_once_whenever_it_is_killed(drift: DriftService, log_store: LogStore) -> None:
    """With kill -9 at any instant around the alert it must be in the log, and be there once."""
    log_store.start()
    dice = random.Random(3)
    drift.start()
    stream = _shifted(12, 1.0, "moved")
    for start in range(0, len(stream), 2):
        reaper = threading.Timer(dice.uniform(0.0, 0.4), drift.kill)
        reaper.start()
        with suppress(OSError):  # sent again below
            _send(drift, stream[start : start + 2])
        reaper.join()
        drift.start()
    _send(drift, stream)

    wait_for(lambda: "features" in _raised(log_store), what="the alert in the log")
    wait_for(lambda: not _outbox(drift), what="nothing is left to be told")
    assert drift.stop() == 0
    kinds = _raised(log_store)
    assert len(kinds) == len(set(kinds))


def _outbox(drift: DriftService) -> list[str]:
    """Ids of the events that are noted and not written."""
    if not (drift.folder / FILE).exists():
        return []
    with closing(sqlite3.connect(f"file:{drift.folder / FILE}?mode=ro", uri=True)) as connection:
        return [json.loads(text)[Field.EVENT_ID] for (text,) in connection.execute("SELECT record FROM outbox")]
