"""What a model service counts: noted down by requests, counted by `flush`, in one process and in the files that workers share."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import floatToGoString
from prometheus_client.values import MultiProcessValue

from mlsandbox_serving.contract import Metrics, Route
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.measures import Measures

IDENTITY = Identity("toy", "v1", "sha256:0")
Samples = dict[tuple[str, ...], float]
Made = tuple[Measures, Callable[[], Samples]]
PREDICT = Route.PREDICT


class Spool:
    """Stands in for a spool: only counts."""

    def __init__(self) -> None:
        self.written = 0
        self.dropped: dict[str, int] = {}


def _samples(registry: CollectorRegistry) -> Samples:
    """By the name, then the values of the labels without model and version, the route first."""
    return {
        (
            sample.name,
            *(value for name, value in sorted(sample.labels.items(), reverse=True) if name not in {"model", "version"}),
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def _alone() -> Made:
    registry = CollectorRegistry()
    return Measures(IDENTITY, "sklearn", registry, limit=256), lambda: _samples(registry)


def _shared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    value_class: Any = MultiProcessValue
    collector: Any = MultiProcessCollector
    monkeypatch.setattr(values, "ValueClass", value_class())
    registry = CollectorRegistry()
    collector(registry, path=str(folder))
    return Measures(IDENTITY, "sklearn", limit=256), lambda: _samples(registry)


@pytest.fixture(params=["alone", "shared"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Measures, and what they show: held in this process, or in files."""
    return _alone() if request.param == "alone" else _shared(tmp_path, monkeypatch)


def _ask(measures: Measures, requests: list[int], spool: Spool) -> None:
    """Requests of so many rows that one call of the model answers."""
    rows = sum(requests)
    measures.model_ran(rows, len(requests), 0.0003)
    measures.predicted(requests, ["yes", "no"] * (rows // 2) + ["yes"] * (rows % 2), [0.75] * rows, by_class=True)
    spool.written += len(requests)
    measures.spooled(spool)
    for index in range(len(requests)):
        measures.answered(PREDICT, 200, 0.002 * (index + 1), received=300, sent=20 + index)


def test_a_request_is_counted_by_the_next_flush(made: Made) -> None:
    """Nothing must be shown before `flush`, and everything of a request after it."""
    measures, shown = made
    measures.flush()
    before = shown()

    _ask(measures, [3], Spool())
    unflushed = shown()
    measures.flush()
    after = shown()

    assert unflushed == before
    assert {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)} == pytest.approx(
        {
            ("sandbox_requests_total", PREDICT, "200"): 1,
            **_observed("sandbox_request_duration_seconds", Metrics.REQUEST_SECONDS.buckets, 0.002, PREDICT),
            **_observed("sandbox_request_body_bytes", Metrics.REQUEST_BYTES.buckets, 300, PREDICT),
            **_observed("sandbox_response_body_bytes", Metrics.RESPONSE_BYTES.buckets, 20, PREDICT),
            **_observed("sandbox_request_rows", Metrics.REQUEST_ROWS.buckets, 3),
            **_observed("sandbox_batch_rows", Metrics.BATCH_ROWS.buckets, 3),
            **_observed("sandbox_batch_requests", Metrics.BATCH_REQUESTS.buckets, 1),
            **_observed("sandbox_model_duration_seconds", Metrics.MODEL_SECONDS.buckets, 0.0003),
            **_observed("sandbox_prediction_score", Metrics.PREDICTION_SCORE.buckets, 0.75, times=3),
            ("sandbox_predictions_total", "yes"): 2,
            ("sandbox_predictions_total", "no"): 1,
            ("sandbox_events_written_total",): 1,
        }
    )


def _observed(name: str, bounds: tuple[float, ...], value: float, *labels: str, times: int = 1) -> Samples:
    """What a histogram grows by."""
    text: Any = floatToGoString
    buckets = {(f"{name}_bucket", *labels, text(bound)): times for bound in (*bounds, math.inf) if value <= bound}
    return {**buckets, (f"{name}_count", *labels): times, (f"{name}_sum", *labels): value * times}


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [2, 300, 7, 1, 1], [1] * 32, [1000]], ids=len)
def test_many_in_one_turn_count_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    """Requests counted together, in files, must give what each of them counted alone, in a process, gives."""
    together, shown_together = _shared(tmp_path, monkeypatch)
    _ask(together, sizes, Spool())
    together.flush()
    monkeypatch.setattr(values, "ValueClass", values.MutexValue)
    alone, shown_alone = _alone()
    for index, size in enumerate(sizes):
        spool = Spool()
        alone.model_ran(size, 1, 0.0003)
        alone.predicted([size], ["yes"] * size, [0.75] * size, by_class=True)
        alone.flush()
        spool.written = index + 1
        alone.spooled(spool)
        alone.answered(PREDICT, 200, 0.002 * (index + 1), received=300, sent=20 + index)
        alone.flush()

    different = ("sandbox_batch", "sandbox_model_duration", "sandbox_predictions")  # those that count calls, and the classes
    one, other = (
        {name: value for name, value in shown.items() if not name[0].startswith(different)} for shown in (shown_together(), shown_alone())
    )
    assert one == pytest.approx(other)


def test_every_route_is_counted_by_its_name_and_others_as_other(made: Made) -> None:
    """Routes that a model service has must be told apart; whatever else is asked for must not make new series."""
    measures, shown = made
    routes = (Route.PREDICT, Route.FEEDBACK, Route.PAGE, Route.V2_INFER, Route.V2_MODEL_READY, Route.METRICS)
    for route in (*routes, "/wp-login.php", "/predict/", "other"):
        measures.answered(route, 404, 0.001, received=0, sent=10)
    measures.flush()

    counts = {key[1]: value for key, value in shown().items() if key[0] == "sandbox_requests_total" and key[2] == "404"}
    assert counts == {**dict.fromkeys(routes, 1), "other": 3}


def test_every_route_of_a_model_service_is_known() -> None:
    """A route of the contract that a model service answers must not be counted as "other"."""
    elsewhere = {Route.ALERTS, Route.STATUS, Route.REPORT, Route.REPORT_PAGE}
    routes = {value for name, value in vars(Route).items() if name.isupper()} - elsewhere
    measures, shown = _alone()
    for route in routes:
        measures.answered(route, 200, 0.001, received=0, sent=0)
    measures.flush()

    assert {key[1] for key in shown() if key[0] == "sandbox_requests_total"} == routes


def test_refusals_are_counted_by_their_code(made: Made) -> None:
    """Each way to refuse a request must be seen by its status."""
    measures, shown = made
    codes = (401, 408, 413, 503, 503, 504, 499)
    for code in codes:
        measures.answered(PREDICT, code, 0.001, received=0, sent=10)
    measures.flush()

    after = shown()
    assert {code: after["sandbox_requests_total", PREDICT, str(code)] for code in codes} == {code: codes.count(code) for code in codes}


def test_failures_are_counted_from_nought(made: Made) -> None:
    """A failure's series must be there before the first failure, of every route that predicts."""
    _, shown = made

    counts = {key[1:]: value for key, value in shown().items() if key[0] == "sandbox_requests_total"}
    assert counts == {(route, code): 0 for route in (PREDICT, Route.V2_INFER) for code in ("200", "500", "503", "504")}


def test_scores_that_are_no_numbers(made: Made) -> None:
    """NaN must be left out, and infinities must not spoil the sum."""
    measures, shown = made
    measures.predicted([4], [1, 1, 1, 1], np.array([0.5, math.nan, math.inf, -math.inf]), by_class=True)
    measures.predicted([1], [1], [math.nan], by_class=True)
    measures.predicted([300], [1] * 300, [math.nan] * 299 + [0.5], by_class=True)
    measures.flush()

    after = shown()
    assert (after["sandbox_prediction_score_count",], after["sandbox_prediction_score_sum",]) == (4, 2.0)


def test_classes_past_the_first_twenty_are_others(made: Made) -> None:
    """The number of series must be bounded, whatever a model predicts; named classes come first."""
    measures, shown = made
    measures.name_classes(["named"])
    measures.predicted([50], list(range(50)), [], by_class=True)
    measures.predicted([2], [["a", "b"], "named"], [], by_class=True)
    measures.predicted([1], [1.5], [], by_class=False)
    measures.flush()

    counts = {key[1]: value for key, value in shown().items() if key[0] == "sandbox_predictions_total"}
    assert counts == {"named": 1, "other": 32, **{str(number): 1 for number in range(19)}}


def test_gauges_show_what_was_at_the_last_flush(made: Made) -> None:
    """What is in flight and waits must be shown as it is when it is flushed, with the limit and the cost beside it."""
    measures, shown = made
    measures.in_flight, measures.queued = 7, 3
    measures.flush()
    measures.cost(1, 0.001)
    measures.cost(100, 0.002)
    busy = shown()
    measures.in_flight = measures.queued = 0
    measures.flush()
    idle = shown()

    names = ("sandbox_requests_in_flight", "sandbox_requests_queued", "sandbox_requests_limit")
    assert [busy[name,] for name in names] == [7, 3, 256]
    assert [idle[name,] for name in names] == [0, 0, 256]
    assert {key[1]: value for key, value in busy.items() if key[0] == "sandbox_model_cost_seconds"} == {"1": 0.001, "100": 0.002}


def test_what_a_spool_lost_is_counted_by_reason(made: Made) -> None:
    """What a spool counts must be taken over once, however often it is told of."""
    measures, shown = made
    spool = Spool()
    spool.written, spool.dropped = 3, {"disk_full": 2}
    measures.spooled(spool)
    measures.flush()
    measures.flush()
    spool.dropped = {"disk_full": 3, "spool_full": 1}
    measures.flush()

    after = shown()
    assert after["sandbox_events_written_total",] == 3
    assert {key[1]: value for key, value in after.items() if key[0] == "sandbox_events_dropped_total"} == {"disk_full": 3, "spool_full": 1}


def test_nothing_is_lost_between_threads(made: Made) -> None:
    """What threads note down while another one flushes must all be counted, each once."""
    measures, shown = made
    times, threads = 2_000, 4
    begin = threading.Barrier(threads + 1)

    def work() -> None:
        begin.wait()
        for _ in range(times):
            measures.predicted([1], ["yes"], [0.5], by_class=True)
            measures.model_ran(1, 1, 0.001)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    while any(worker.is_alive() for worker in workers):
        measures.flush()
    measures.flush()

    after = shown()
    counted = ("sandbox_request_rows_count",), ("sandbox_batch_rows_count",), ("sandbox_predictions_total", "yes")
    assert [after[name] for name in counted] == [times * threads] * 3


def test_files_may_grow_while_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers must stay right when prometheus_client makes a file larger under them, as many series do."""
    measures, shown = _shared(tmp_path, monkeypatch)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    for code in range(100, 600):
        for route in (PREDICT, Route.V2_INFER):
            measures.answered(route, code, 0.001, received=1, sent=1)
        measures.flush()
    measures.answered(PREDICT, 200, 0.001, received=1, sent=1)
    measures.flush()

    after = shown()
    assert any(file.stat().st_size > sizes.get(file.name, math.inf) for file in tmp_path.iterdir())
    assert sum(value for key, value in after.items() if key[0] == "sandbox_requests_total") == 1001
    assert after["sandbox_requests_total", PREDICT, "200"] == 2
