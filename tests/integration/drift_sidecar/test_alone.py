"""Two drift services with one folder, as two pods with one volume: one writes, the other waits until it can."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable

import numpy as np
import pytest

from mlsandbox_serving.contract import Env, NotReady
from mlsandbox_serving.forward.client import ForwardClient
from support.drift_service import DriftService, entries, profile, record
from support.event_processes import STACK_ID, get
from support.waiting import HANG_SECONDS, wait_for

Make = Callable[..., DriftService]
PROFILES = {"churn/v1": profile()}


@pytest.fixture
def first(make_drift: Make) -> DriftService:
    """One that has the folder, and in it what it has learned of ten rows."""
    drift = make_drift("first", profiles=PROFILES)
    drift.start()
    _send(drift, "before")
    return drift


@pytest.fixture
def second(make_drift: Make, first: DriftService) -> DriftService:
    """One that waits for that folder."""
    drift = make_drift("second", profiles=PROFILES, **{Env.DRIFT_DIR: str(first.folder)})
    drift.start(wait=False)
    wait_for(lambda: _answer(drift) is not None, what="it answers probes")
    return drift


def test_the_second_waits(first: DriftService, second: DriftService) -> None:
    """It must live and not be ready, say why in its log too, take no event, and leave the first one alone."""
    status, body = get(second.probe_port, "/readyz")
    told = json.loads(body)

    assert (status, told["ready"], told["code"], told["stack_id"]) == (503, False, NotReady.STATE_IN_USE, STACK_ID)
    assert str(first.folder) in told["reason"]
    assert get(second.probe_port, "/livez")[0] == 200
    wait_for(lambda: f"another process has {first.folder}: waiting" in second.log.read_text(), what="it says so")
    with pytest.raises(OSError, match="refused"):
        _send(second, "too early")
    _send(first, "still")
    assert first.model()["rows"] == 20


def test_the_second_takes_over(first: DriftService, second: DriftService) -> None:
    """Once the first one is gone, killed or not, the second must go on from its state."""
    first.kill()
    wait_for(second.is_ready, what="it has the folder")
    _send(second, "after")

    assert second.model()["rows"] == 20
    assert second.stop() == 0


def test_an_open_connection_sees_the_takeover(first: DriftService, second: DriftService) -> None:
    """Who keeps a connection open, as Prometheus does, must be told on it of the service, once that is there, and no longer of the wait."""
    connection = http.client.HTTPConnection("127.0.0.1", second.probe_port, timeout=HANG_SECONDS)

    def asked(path: str) -> str:
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    before, kept = asked("/metrics"), connection.sock
    first.kill()
    wait_for(lambda: json.loads(asked("/readyz"))["ready"], what="it has the folder")

    assert "sandbox_drift_measuring{" in asked("/metrics")
    assert "sandbox_drift_" not in before
    assert '"models"' in asked("/status")
    assert connection.sock is kept is not None
    connection.close()


def test_the_second_ends_when_asked(first: DriftService, second: DriftService) -> None:
    """SIGTERM must end it with 0 while it waits, and the first one go on."""
    assert second.stop() == 0

    _send(first, "still")
    assert first.model()["rows"] == 20


def test_one_that_waited_and_ended_has_no_lock(first: DriftService, second: DriftService) -> None:
    """The folder must be free for the next one as soon as the last that had it is gone."""
    second.stop()
    first.stop()
    first.start()

    assert first.model()["rows"] == 10


def _answer(drift: DriftService) -> int | None:
    """What /livez answers; None while nobody does."""
    try:
        return get(drift.probe_port, "/livez")[0]
    except OSError:
        return None


def _send(drift: DriftService, name: str) -> None:
    with ForwardClient("127.0.0.1", drift.forward_port) as client:
        client.send("sandbox.churn", entries([record(np.random.default_rng(1), name, 10)]))
