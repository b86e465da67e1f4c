"""A model service that is told to stop under load: what was asked is answered, and nothing else than connection errors is seen."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pandas as pd
import pytest

from mlsandbox_serving.contract import Env, Field, NotReady
from mlsandbox_serving.service import arbiter
from support.bento import Bento, Service, build, serve
from support.served import lay
from support.waiting import HANG_SECONDS, wait_for

CONNECTIONS = 8
SLOW = """
class Slow:
    def predict(self, frame):
        import time
        time.sleep(1.0 if (frame["x"] == 99).any() else 0.01)
        return [1.0] * len(frame)
"""


def by_value(model: Any, file: Path) -> None:
    """Write the model with its class, which no module holds."""
    file.write_bytes(cloudpickle.dumps(model))


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Bento:
    """A model that takes a second for rows of 99."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(SLOW, namespace)  # noqa: S102 - a class that is pickled by value
    folder = tmp_path_factory.mktemp("slow")
    return build(lay(folder / "laid", namespace["Slow"](), pd.DataFrame({"x": [1, 2]}), dump=by_value), folder)


@pytest.fixture(params=["1", "2"], ids=["one worker", "two workers"])
def service(request: pytest.FixtureRequest, bento: Bento, tmp_path: Path) -> Iterator[Service]:
    with serve(bento, tmp_path, **{Env.WORKERS: request.param}) as running:
        running.wait()
        yield running


def ask(connection: http.client.HTTPConnection, x: int) -> tuple[int, dict[str, Any]]:
    connection.request("POST", "/predict", json.dumps({"x": x}), {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def in_flight(service: Service) -> int:
    """Requests that are answered just now, without the one that asks this."""
    lines = service.get("/metrics")[1].splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("sandbox_requests_in_flight{"))) - 1


def test_requests_in_flight_are_answered(service: Service) -> None:
    """Each request that was sent before the stop must be answered and in the spool; later connections get an error of the connection."""
    connections = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=HANG_SECONDS) for _ in range(CONNECTIONS)]
    assert [ask(each, 1)[0] for each in connections] == [200] * CONNECTIONS
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [pool.submit(ask, each, 99) for each in connections]
        wait_for(lambda: in_flight(service) == CONNECTIONS, what="all requests")
        os.kill(service.process.pid, signal.SIGTERM)
        told = [answer.result() for answer in answers]

    assert service.process.wait(HANG_SECONDS) == 0
    assert [status for status, _ in told] == [200] * CONNECTIONS
    assert {body["request_id"] for _, body in told} <= {event[Field.REQUEST_ID] for event in service.events()}
    for connection in connections:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.port), HANG_SECONDS)


def test_a_stop_under_load(service: Service) -> None:
    """Clients that go on asking must see whole answers, or readiness gone, and then errors of the connection alone."""
    seen: set[Any] = set()

    def client(_: int) -> int:
        count = 0
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=HANG_SECONDS)
            try:
                while True:
                    seen.add(ask(connection, 1)[0])
                    count += 1
            except (ConnectionError, http.client.RemoteDisconnected, http.client.CannotSendRequest):
                pass
            finally:
                connection.close()
            try:
                status, body = service.get("/readyz")
            except OSError:
                return count
            seen.add((status, body["code"]))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = [pool.submit(client, number) for number in range(CONNECTIONS)]
        wait_for(lambda: in_flight(service) > 0 and 200 in seen, what="load")
        os.kill(service.process.pid, signal.SIGTERM)
        answered = sum(each.result() for each in clients)

    assert service.process.wait(HANG_SECONDS) == 0
    assert seen <= {200, (200, None), (503, NotReady.STOPPING)}
    written = [event for event in service.events() if event[Field.EVENT_OUTCOME] == "success"]
    assert len(written) >= answered


def test_the_arbiter_waits_longer_than_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers must get more time than a request may take, whatever BentoML's arbiter would give them."""
    from circus.watcher import Watcher  # type: ignore[import-untyped]  # noqa: PLC0415 - here alone

    monkeypatch.setattr(Watcher, "__init__", Watcher.__init__)
    arbiter.wait_for_requests({Env.TIMEOUT_SECONDS: "90"})

    assert Watcher("service", "true").graceful_timeout == 95
    assert Watcher("service", "true", graceful_timeout=1).graceful_timeout == 1


def test_the_arbiter_starts_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be meant must not keep the arbiter from starting the worker, which says so."""
    from circus.watcher import Watcher  # noqa: PLC0415 - here alone

    before = Watcher.__init__
    arbiter.wait_for_requests({Env.TIMEOUT_SECONDS: "soon"})

    assert Watcher.__init__ is before
