"""What breaks around a model service while many ask: each answer is a prediction, and each prediction an event that arrives once.

By hand, with a log store that is away as long as it may well be: AWAY_SECONDS=30 pytest -s tests/integration/serving/test_faults.py
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlsandbox_serving.spool.segment import segments
from support.bento import Bento, build
from support.crowd import Crowd
from support.event_processes import metric
from support.pipeline import Pipeline, pipeline
from support.served import fitted, lay, people
from support.waiting import wait_for

CONNECTIONS = 50
AWAY_SECONDS = float(os.environ.get("AWAY_SECONDS") or 2)
SOME = 300
"""Requests that are answered before and after each fault."""
DISK_BYTES = 512 * 1024
"""Of a disk that is far smaller than a segment of the spool."""


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Bento:
    frame = people()
    return build(lay(tmp_path_factory.mktemp("laid"), fitted(frame), frame, manifest={"private": ["email"]}), tmp_path_factory.mktemp("b"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for very little."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def crowd(running: Pipeline) -> Crowd:
    row = {"age": 41, "sex": "male", "hours": 30.5, "email": "x" * 20}
    return Crowd(running.model.port, json.dumps(row).encode(), connections=CONNECTIONS)


def kill_a_worker(running: Pipeline) -> None:
    running.kill_worker()


def kill_the_shipper(running: Pipeline) -> None:
    running.shipper.kill_and_start()


@pytest.mark.parametrize(
    ("fault", "workers", "killed"),
    [(kill_a_worker, 1, 1), (kill_a_worker, 2, 1), (kill_the_shipper, 1, 0)],
    ids=["worker", "worker of two", "shipper"],
)
def test_who_is_killed_costs_no_answered_request(
    bento: Bento, tmp_path: Path, fault: Callable[[Pipeline], None], workers: int, killed: int
) -> None:
    """A kill under load must cost the requests that a killed worker had at hand, as errors of the connection, and nothing else."""
    with pipeline(bento, tmp_path, SANDBOX_WORKERS=str(workers)) as running:
        with crowd(running) as clients:
            clients.more(SOME)
            fault(running)
            clients.more(SOME)
            wait_for(lambda: running.is_whole(workers), every=0.1, what="everybody is back")
            clients.more(SOME)

        must_hold(running, clients, lost=killed * CONNECTIONS)
        assert running.dropped() == 0


def test_an_outage_of_the_log_store_costs_nothing(bento: Bento, tmp_path: Path) -> None:
    """While the log store is away every request must be answered, and its event wait."""
    with pipeline(bento, tmp_path) as running:
        with crowd(running) as clients:
            clients.more(SOME)
            running.log_store.kill()
            clients.more(SOME)
            clients.go_on(AWAY_SECONDS)
            wait_for(lambda: metric(running.shipper.probe_port, "sandbox_event_ship_failures_total") >= 2, what="the outage is noticed")
            running.log_store.start(wait=False)
            clients.more(SOME)
            wait_for(lambda: running.is_whole(1), every=0.1, what="everybody is back")

        must_hold(running, clients)
        assert running.dropped() == 0


def test_a_full_disk_costs_what_is_counted_and_goes_by(bento: Bento, small_disk: Path, tmp_path: Path) -> None:
    """On a full disk every request must be answered and each lost event counted; once events are delivered, none is lost any more."""
    with pipeline(bento, tmp_path, spool=small_disk / "spool") as running:
        running.log_store.kill()
        with crowd(running) as clients:
            wait_for(lambda: running.dropped() > 0, every=0.1, what="the disk is full")
            status, body = running.model.get("/readyz")
            assert (status, body["code"]) == (503, "SPOOL_UNWRITABLE")
            clients.more(SOME)
            running.log_store.start(wait=False)
            clients.more(SOME)
        wait_for(lambda: running.is_whole(1), every=0.1, what="there is room again")
        running.delivered()
        wait_for(lambda: len(segments(running.shipper.spool)) <= 1, what="what is delivered is deleted")
        lost = len(clients.answered) - len(running.stored())
        assert lost == running.dropped()

        with crowd(running) as later:
            later.more(100)
        running.delivered()

        must_hold(running, later, before=len(clients.answered))
        assert lost == running.dropped()
        assert set(clients.statuses) == {200}


def must_hold(running: Pipeline, clients: Crowd, *, lost: int = 0, before: int = 0) -> None:
    """Nothing but answers and at most `lost` broken connections was seen; all answers were counted, and each is stored once."""
    running.delivered()
    stored = running.stored()
    print(dict(clients.statuses), len(stored), running.predicted())  # noqa: T201 - shown when it fails

    assert set(clients.statuses) <= {0, 200}, [(got.status, got.body[:300]) for got in clients.odd]
    assert clients.statuses[0] <= lost, [got.body for got in clients.odd]
    assert set(clients.answered) <= set(stored)
    if not before:
        assert len(stored) == len(set(stored))
    assert abs(running.predicted() - before - len(clients.answered)) <= lost
