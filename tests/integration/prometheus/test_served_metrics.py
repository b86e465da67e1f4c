"""Metrics of a model in BentoML's own server, as Prometheus reads them."""

from __future__ import annotations

import ast
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlsandbox_serving.contract import Metrics
from mlsandbox_serving.service import measures
from support.bento import Service, build, serve
from support.monitoring import program
from support.served import fitted, lay, people
from support.waiting import HANG_SECONDS


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A model service that was not asked for anything yet."""
    frame = people()
    bento = build(lay(tmp_path_factory.mktemp("laid"), fitted(frame), frame), tmp_path_factory.mktemp("built"))
    with serve(bento, tmp_path_factory.mktemp("running")) as service:
        service.wait()
        yield service


def _metrics(service: Service) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=HANG_SECONDS) as answer:
        shown: bytes = answer.read()
    return shown.decode()


def test_they_pass_the_check_of_prometheus(request: pytest.FixtureRequest, running: Service) -> None:
    """Names, types and help texts must be as Prometheus wants them."""
    _pass_the_check(request, _metrics(running))


def _pass_the_check(request: pytest.FixtureRequest, text: str) -> None:
    checked = subprocess.run(
        [program(request, "promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_failures_are_counted_from_nought(running: Service) -> None:
    """A failure's series must be there before the first failure, or rates would not see that one."""
    (requests,) = [each for each in text_string_to_metric_families(_metrics(running)) if f"{each.name}_total" == Metrics.REQUESTS.name]
    counts = {sample.labels["code"]: sample.value for sample in requests.samples if sample.labels["route"] == "/predict"}

    assert {code: counts[code] for code in ("500", "503", "504")} == {"500": 0, "503": 0, "504": 0}


def test_everything_that_is_counted_is_shown(request: pytest.FixtureRequest, running: Service) -> None:
    """Every metric of the contract that a model service has must be shown once it was asked, and still pass the check of Prometheus."""
    row = json.loads(people().head(1).to_json(orient="records"))[0]
    status, _ = running.post("/predict", row)
    assert status == 200
    text = _metrics(running)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    tree = ast.parse(Path(measures.__file__).read_text("utf-8"))
    counted = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Metrics"}
    expected = {vars(Metrics)[name].name.removesuffix("_total") for name in counted - {"EVENTS_DROPPED", "MODEL_CHAMPION"}}

    assert {name for name in expected if not families[name].samples} == set()
    assert [sample.value for sample in families["sandbox_batch_rows"].samples if sample.name.endswith("_count")] == [1]
    _pass_the_check(request, text)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what a process uses is read from /proc")
def test_memory_is_that_of_the_whole_service(running: Service) -> None:
    """The memory that is shown must be that of the worker and of its arbiter, as a limit of the service counts both."""
    families = {family.name: family for family in text_string_to_metric_families(_metrics(running))}
    shown = families["process_resident_memory_bytes"].samples[0].value
    (worker,) = running.workers()
    arbiter = psutil.Process(worker.ppid())

    assert shown == pytest.approx(worker.memory_info().rss + arbiter.memory_info().rss, rel=0.1)
