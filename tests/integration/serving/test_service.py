"""A package in BentoML's own server: arbiter, workers, signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pandas as pd
import psutil
import pytest

from mlsandbox_serving.contract import Env, Field, NotReady
from support.bento import Bento, Service, build, serve
from support.served import Laid, fitted, lay, people
from support.waiting import HANG_SECONDS, wait_for

ANSWERED = 'sandbox_requests_total{code="200",model="toy",route="/predict",version="v1"}'


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    frame = people()
    return lay(tmp_path_factory.mktemp("laid"), fitted(frame), frame, manifest={"private": ["email"]})


@pytest.fixture(scope="module")
def bento(laid: Laid, tmp_path_factory: pytest.TempPathFactory) -> Bento:
    return build(laid, tmp_path_factory.mktemp("buïlt with space"))


@pytest.fixture(scope="module")
def running(bento: Bento, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve(bento, tmp_path_factory.mktemp("running")) as service:
        service.wait()
        yield service


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_package_is_served_by_bentoml(running: Service, laid: Laid) -> None:
    """`bentoml serve` of a package answers as the model does, echoes the stack's nonce, and says how its golden rows were reproduced."""
    rows = people().head(100)

    status, answer = running.post("/predict", columns(rows))

    assert status == 200
    assert answer["predictions"] == fitted(people()).predict(rows).tolist()
    ready = running.wait()
    assert (ready["stack_id"], ready["golden"]["rows"]) == ("test", 50)
    assert running.get("/livez") == (200, {"live": True, "stack_id": "test"})


def columns(frame: pd.DataFrame) -> dict[str, Any]:
    return {"columns": {name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame}}


@pytest.mark.parametrize("path", ["/docs", "/schema.json", "/healthz", "/static_content/main-ui.html", "/predict/", "/_predict", "/trace"])
def test_nothing_of_bentomls_own_is_reachable(running: Service, path: str) -> None:
    """BentoML's own routes are not there."""
    assert running.get(path)[1]["error"]["code"] == "NOT_FOUND"
    assert running.post(path, {})[1]["error"]["code"] == "NOT_FOUND"


def test_a_pickle_body_is_refused(running: Service) -> None:
    """A pickled body, which BentoML would load, is refused by its content type."""
    status, answer = running.post("/predict", {}, {"content-type": "application/vnd.bentoml+pickle"})

    assert (status, answer["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_every_answered_request_is_in_the_spool(running: Service, laid: Laid) -> None:
    """What was answered, and what was refused, is in the spool under the request id of the answer, without private columns."""
    row = laid.manifest()["example"]
    answered = [running.post("/predict", row)[1]["request_id"] for _ in range(20)]
    refused = running.post("/predict", {**row, "age": "x"})[1]["error"]["request_id"]

    events = {event[Field.REQUEST_ID]: event for event in running.events()}

    assert all(events[request_id][Field.EVENT_OUTCOME] == "success" for request_id in answered)
    assert events[refused][Field.STATUS] == 422
    assert "email" not in events[answered[0]][Field.INPUTS]


def test_the_arbiter_does_not_load_the_model(running: Service) -> None:
    """Only the worker holds the model and its framework in memory."""

    def holds(process: psutil.Process) -> bool:
        return any("/sklearn/" in region.path for region in process.memory_maps())

    (worker,) = running.workers()
    assert holds(worker)
    assert not holds(psutil.Process(running.process.pid))


def test_workers_end_with_a_killed_arbiter(bento: Bento, tmp_path: Path) -> None:
    """When the arbiter is killed with SIGKILL its workers are gone by themselves, and the port with them."""
    with serve(bento, tmp_path, **{Env.WORKERS: "2"}) as service:
        service.wait()
        workers = service.workers()
        assert len(workers) == 2

        service.process.kill()
        service.process.wait()

        wait_for(lambda: all(gone(worker) for worker in workers), what="the workers' end")
        with pytest.raises(OSError, match=r"refused|reset"):
            service.get("/livez")


def test_ready_means_all_workers(bento: Bento, laid: Laid, tmp_path: Path) -> None:
    """With several workers /readyz is 200 once each of them answers: from then on no request is refused as too early."""
    with serve(bento, tmp_path, **{Env.WORKERS: "3"}) as service:
        service.wait()

        assert {service.post("/predict", laid.manifest()["example"])[0] for _ in range(60)} == {200}


def test_a_worker_whose_arbiter_dies_early_is_not_left(bento: Bento, tmp_path: Path) -> None:
    """An arbiter that is killed while its worker is still starting leaves no worker."""
    with serve(bento, tmp_path) as service:
        (worker,) = wait_for(service.workers, what="a worker")
        service.process.kill()
        service.process.wait()

        wait_for(lambda: gone(worker), what="the worker's end")


def _metrics_with(service: Service, line: str) -> str:
    """The metrics once this is among them; empty before."""
    metrics = service.get("/metrics")[1]
    return metrics if line in metrics else ""


def test_a_killed_worker_is_replaced_and_what_it_counted_is_kept(bento: Bento, laid: Laid, tmp_path: Path) -> None:
    """After the worker's death the arbiter starts another, which is ready again; counters go on where they were."""
    with serve(bento, tmp_path) as service:
        service.wait()
        for _ in range(5):
            service.post("/predict", laid.manifest()["example"])
        wait_for(lambda: _metrics_with(service, f"{ANSWERED} 5.0"), what="what is not counted yet goes with the worker")
        (worker,) = service.workers()

        worker.kill()

        wait_for(lambda: [other for other in service.workers() if other.pid != worker.pid], what="another worker")
        service.wait()
        service.post("/predict", laid.manifest()["example"])
        metrics = wait_for(lambda: _metrics_with(service, f"{ANSWERED} 6.0"), what="six are counted")

    assert 'sandbox_requests_in_flight{model="toy",version="v1"} 1.0' in metrics


def pickled_by_value(model: Any, file: Path) -> None:
    """Write the model with its class, which no module holds."""
    file.write_bytes(cloudpickle.dumps(model))


SLOW = """
class Slow:
    def predict(self, frame):
        import time
        time.sleep(1.5 if frame["x"].iloc[0] == 99 else 0.01)
        return [1.0] * len(frame)
"""


def test_sigterm_lets_requests_finish(tmp_path: Path) -> None:
    """A request that is being answered when the service is told to stop is answered, and its event written, before the service ends."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(SLOW, namespace)  # noqa: S102 - a class that is pickled by value
    laid = lay(tmp_path / "laid", namespace["Slow"](), pd.DataFrame({"x": [1, 2]}), dump=pickled_by_value)
    answers: list[tuple[int, Any]] = []
    with serve(build(laid, tmp_path / "built"), tmp_path / "run") as service:
        service.wait()
        request = threading.Thread(target=lambda: answers.append(service.post("/predict", {"x": 99})))
        request.start()
        wait_for(lambda: 'requests_in_flight{model="toy",version="v1"} 2.0' in service.get("/metrics")[1], what="the request")

        os.kill(service.process.pid, signal.SIGTERM)
        request.join(20)

        assert service.process.wait(HANG_SECONDS) == 0
        ((status, answer),) = answers
        assert status == 200
        assert [event[Field.REQUEST_ID] for event in service.events()] == [answer["request_id"]]


def test_a_flipped_byte_in_the_store_is_not_served(laid: Laid, tmp_path: Path) -> None:
    """A model file that was changed in BentoML's store is refused for good, by name, and nothing of it is loaded."""
    bento = build(laid, tmp_path)
    (file,) = bento.home.glob("models/toy/*/model.joblib")
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)

    with serve(bento, tmp_path / "run") as service:
        body = service.wait(ready=False)

    assert (body["code"], body["final"], body["details"]["file"]) == (NotReady.MODEL_DIGEST_MISMATCH, True, "model.joblib")
