"""Killed at any instant and started again, the drift service ends up where an undisturbed one would."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from mlsandbox_serving.contract import Env
from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.spool.writer import SpoolWriter
from support.drift_service import DriftService, entries, feedback, profile, record
from support.event_processes import ShipperProcess, metric
from support.waiting import wait_for

KILLS = 6


def _stream(count: int = 2_400) -> list[dict[str, object]]:
    """Events of one to nine rows of two versions, and labels of some of them; drifting from the middle on."""
    dice = np.random.default_rng(7)
    records: list[dict[str, object]] = []
    for number in range(count):
        version = "v2" if number % 5 == 0 else "v1"
        shift = 1.0 if number > count // 2 else 0.0
        records.append(record(dice, f"id-{number}", 1 + number % 9, version=version, shift=shift))
        if number % 3 == 0:
            records.append(feedback(f"label-{number}", f"request-id-{number}", ["no", "yes"][number % 2]))
    return records


def test_killed_in_the_middle_of_a_stream(make_drift: Callable[..., DriftService]) -> None:
    """With kill -9 between and within deliveries the final state must equal an uninterrupted run's, to the byte."""
    profiles = {"churn/v1": profile(), "churn/v2": profile(1)}
    calm, killed = make_drift("calm", profiles=profiles), make_drift("killed", profiles=profiles)
    stream = entries(_stream())
    calm.start()
    with ForwardClient("127.0.0.1", calm.forward_port) as client:
        client.send("sandbox.churn", stream)

    dice = random.Random(11)
    killed.start()
    kills = 0
    place = 0
    with ForwardClient("127.0.0.1", killed.forward_port, ack_timeout=10) as client:
        while place < len(stream):
            size = dice.choice([1, 7, 60, 300])
            reaper = threading.Timer(dice.uniform(0.0, 0.03), killed.kill) if kills < KILLS and place > kills * 300 else None
            if reaper is not None:
                reaper.start()
                kills += 1
            try:
                client.send("sandbox.churn", stream[place : place + size])
                place += size
            except OSError:
                pass  # sent again after the restart, perhaps in other company
            if reaper is not None:
                reaper.join()
                killed.start()

    assert kills == KILLS
    predicted = calm.model()["rows"]
    for each in (calm, killed):  # performance is computed now and then
        wait_for(partial(_has_joined, each, predicted), what="performance is that of all rows")
    one, other = calm.model(), killed.model()
    assert one == other
    assert other["rows"] > 5_000
    assert other["state"] == "drift"
    assert (calm.stop(), killed.stop()) == (0, 0)
    assert calm.saved() == killed.saved()


def _has_joined(drift: DriftService, rows: int) -> bool:
    return {each["window"]: each["predictions"] for each in drift.model()["performance"]}.get("all") == rows


def test_through_the_shipper(make_drift: Callable[..., DriftService], make_shipper: Callable[..., ShipperProcess]) -> None:
    """With shipper and service killed in turns, every row of the spool must be counted once."""
    drift = make_drift(profiles={"churn/v1": profile()}, **{Env.DRIFT_MAX_PREDICTIONS: "5000"})
    shipper = make_shipper(drift)
    writer = SpoolWriter(shipper.spool, max_bytes=10**9, worker="w", segment_bytes=40_000)
    dice, chance = np.random.default_rng(3), random.Random(5)
    rows = 0
    drift.start()
    shipper.start()
    for number in range(600):
        size = 1 + number % 4
        writer.append(record(dice, f"id-{number}", size), 1_700_000_000.0 + number)
        rows += size
        if number % 100 == 50:
            chance.choice([drift.kill_and_start, shipper.kill_and_start])()
    writer.close()
    wait_for(lambda: drift.is_ready() and shipper.is_ready(), what="both are up")
    wait_for(lambda: drift.model()["rows"] >= rows, what="everything has arrived")
    shipper.kill_and_start()
    wait_for(shipper.is_ready, what="the shipper is up")
    wait_for(lambda: metric(shipper.probe_port, "sandbox_spool_pending_bytes") == 0, what="nothing is left")

    assert drift.model()["rows"] == rows


def test_a_shipper_that_lost_its_place(
    make_drift: Callable[..., DriftService], make_shipper: Callable[..., ShipperProcess], tmp_path: Path
) -> None:
    """Events that are sent again after a restart must be recognised and counted as duplicates."""
    drift = make_drift(profiles={"churn/v1": profile()})
    records = [record(np.random.default_rng(number), f"id-{number}", 3) for number in range(50)]
    drift.start()
    for restart in (False, True, False):
        if restart:
            drift.kill()
            drift.start()
        with ForwardClient("127.0.0.1", drift.forward_port) as client:
            client.send("sandbox.churn", entries(records))

    assert drift.model()["rows"] == 150
    assert metric(drift.probe_port, "sandbox_drift_events_total", result="duplicate") == 100
