"""Far more is asked than a service takes: what it takes it answers, the rest is told to come again, and nothing else happens to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pandas as pd
import pytest

from mlsandbox_serving.contract import Env
from support.bento import Bento, Service, build, serve
from support.crowd import Crowd
from support.many import Got, Sent, ask_many
from support.served import lay

AT_ONCE = 16
CONNECTIONS = 300
MAX_BODY = 2_000_000
BODIES = 80
"""Requests of the largest size; 16 of these are held at once."""
GROWTH = 150_000_000
"""Bytes by which a worker may grow: what it may hold, some times over, and far less than everything that was sent."""
SLOW = """
class Slow:
    def predict(self, frame):
        import time
        time.sleep(0.1)
        return [1.0] * len(frame)
"""


def by_value(model: Any, file: Path) -> None:
    """Write the model with its class, which no module holds."""
    file.write_bytes(cloudpickle.dumps(model))


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Bento:
    """A model that takes a tenth of a second."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(SLOW, namespace)  # noqa: S102 - a class that is pickled by value
    folder = tmp_path_factory.mktemp("slow")
    return build(lay(folder / "laid", namespace["Slow"](), pd.DataFrame({"x": [1, 2]}), dump=by_value), folder)


@pytest.fixture
def service(bento: Bento, tmp_path: Path) -> Iterator[Service]:
    settings = {Env.MAX_CONCURRENCY: str(AT_ONCE), Env.MAX_BODY_BYTES: str(MAX_BODY), Env.SPOOL_BYTES: "20000000"}
    with serve(bento, tmp_path, **settings) as running:
        running.wait()
        yield running


def test_more_requests_than_are_taken(service: Service) -> None:
    """Of far too many connections each must see answers or 503 with Retry-After; probes be answered meanwhile; all be well afterwards."""
    (worker,) = service.workers()
    before = worker.memory_info().rss
    probes = []
    with Crowd(service.port, json.dumps({"x": 1}).encode(), connections=CONNECTIONS) as clients:
        for _ in range(3):
            clients.more(AT_ONCE)
            probes += [(path, *service.get(path)) for path in ("/livez", "/readyz", "/metrics")]

    assert set(clients.statuses) == {200, 503}, [(got.status, got.body[:200]) for got in clients.odd]
    assert all(got.headers["retry-after"] == "1" and got.json()["error"]["code"] == "OVERLOADED" for got in clients.odd)
    assert {status for _, status, _ in probes} == {200}, [(path, status, str(body)[:200]) for path, status, body in probes]
    assert worker.memory_info().rss - before < GROWTH
    is_well(service, worker.pid)


def test_more_bytes_than_are_held(service: Service) -> None:
    """Of too many large bodies at once some must be answered and some refused with 503; the service must stay as it was."""
    (worker,) = service.workers()
    before = worker.memory_info().rss
    body = json.dumps({"x": 1}).encode().ljust(MAX_BODY)
    got: list[Got] = []

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_many, service.port, [Sent(body)] * BODIES, got.append, connections=BODIES // 2)
        largest = before
        while not asking.done():
            largest = max(largest, worker.memory_info().rss)
            assert service.get("/livez")[0] == 200
        statuses = asking.result()

    assert set(statuses) == {200, 503}, [(one.status, one.body[:200]) for one in got]
    assert all("retry-after" in one.headers for one in got if one.status == 503)
    assert largest - before < GROWTH
    is_well(service, worker.pid)


def is_well(service: Service, pid: int) -> None:
    """The same process must answer again, and have nothing left to do."""
    assert [worker.pid for worker in service.workers()] == [pid]
    assert [service.post("/predict", {"x": 1})[0] for _ in range(5)] == [200] * 5
    lines = service.get("/metrics")[1].splitlines()
    assert sum(float(line.split()[-1]) for line in lines if line.startswith("sandbox_requests_in_flight{")) == 1
