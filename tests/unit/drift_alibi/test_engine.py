"""The engine without alibi-detect, which this environment does not have: nothing fails, nothing blocks, everything is counted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mlsandbox_serving.contract import Metrics
from mlsandbox_serving.drift import StateUnreadable
from mlsandbox_serving.drift_alibi import AlibiEngine, Reference, Settings, Status, Verdict, Worker, build_reference, samples
from mlsandbox_serving.drift_alibi import worker as module
from mlsandbox_serving.drift_alibi.reference import Coder
from support.drift_rows import rows

SECONDS = 30.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    """One that finds no alibi-detect."""

    def missing() -> None:
        raise ModuleNotFoundError("No module named 'alibi_detect'")

    worker = Worker(missing)  # type: ignore[arg-type]  # it never returns
    yield worker
    worker.close()


def _columns(count: int, seed: int = 1) -> dict[str, list[object]]:
    return {name: values.tolist() for name, values in rows(np.random.default_rng(seed), count).items()}


def test_importing_the_package_does_not_import_alibi_detect() -> None:
    """It takes seconds, and most processes that know the engine's name never need it."""
    assert "mlsandbox_serving.drift_alibi" in sys.modules
    assert not [name for name in sys.modules if name.split(".")[0] == "alibi_detect"]


def test_rows_wait_while_it_loads(reference: Reference, worker: Worker) -> None:
    """Before alibi-detect is there, windows wait, up to a bound; what is past it is dropped and counted."""
    engine = AlibiEngine(reference, Settings(window_rows=100, waiting_windows=3), worker=worker)
    engine.update(_columns(530))
    verdict = engine.verdict()

    assert (verdict.status, verdict.problem, verdict.window) == (Status.LOADING, None, None)
    assert (verdict.rows, verdict.waiting, verdict.dropped, verdict.windows) == (530, 3, 200, 0)
    assert (verdict.reference_rows, verdict.learning) == (3_000, 0)


def test_windows_of_all_engines_share_one_bound(reference: Reference, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits must not grow with the number of models; once it was taken from the queue there is room again."""
    window = 100 * len(Coder(reference.profile).streams) * 8
    monkeypatch.setattr(module, "MOST_WAITING", 3 * window)
    engines = [AlibiEngine(reference, Settings(window_rows=100), worker=worker) for _ in range(3)]
    for engine in engines:
        engine.update(_columns(200))

    assert [(engine.verdict().waiting, engine.verdict().dropped) for engine in engines] == [(2, 0), (1, 100), (0, 200)]
    engines[0].load()
    assert engines[0].wait(SECONDS)
    engines[2].update(_columns(100))
    assert engines[2].wait(SECONDS)
    assert (engines[2].verdict().dropped, engines[2].verdict().failed) == (200, 100)


def test_a_missing_library_is_an_error_and_not_the_end(reference: Reference, worker: Worker) -> None:
    """Every window counts as failed, never as clean, and the reason says what is needed."""
    failed: list[int] = []
    engine = AlibiEngine(reference, Settings(window_rows=100), worker=worker, failed=failed.append)
    engine.update(_columns(250))
    engine.load()
    engine.load()
    assert engine.wait(SECONDS)
    engine.update(_columns(100))
    assert engine.wait(SECONDS)
    verdict = engine.verdict()

    assert verdict.status is Status.FAILED
    assert "No module named 'alibi_detect'" in (verdict.problem or "")
    assert "Python 3.11 or 3.12" in (verdict.problem or "")
    assert (verdict.rows, verdict.windows, verdict.waiting, verdict.failed) == (350, 0, 0, 300)
    assert failed == [100, 100, 100]


@pytest.mark.parametrize("cut", [30, 150, 299])
def test_nothing_is_lost_by_a_restart(reference: Reference, worker: Worker, cut: int) -> None:
    """The rows of the window that is not full, and windows that wait, must be there again."""
    settings = Settings(window_rows=100, waiting_windows=2)
    columns = _columns(430)
    parts = [{name: values[start:end] for name, values in columns.items()} for start, end in ((0, cut), (cut, 430))]
    whole, stopped = (AlibiEngine(reference, settings, worker=worker) for _ in range(2))
    for part in parts:
        whole.update(part)
    stopped.update(parts[0])
    stopped = AlibiEngine.restore(reference, stopped.state(), settings, worker=worker)
    stopped.update(parts[1])

    assert stopped.state() == whole.state()
    assert stopped.verdict() == whole.verdict()
    assert whole.verdict().dropped == 200


def test_live_rows_become_the_reference(reference: Reference, worker: Worker) -> None:
    """Without reference rows nothing is compared until there are enough live ones, also over a restart."""
    settings = Settings(window_rows=100, learn_rows=250)
    bare = Reference(reference.profile)
    engine = AlibiEngine(bare, settings, worker=worker)
    engine.update(_columns(200))
    assert (engine.verdict().learning, engine.verdict().reference_rows, engine.verdict().rows) == (50, 0, 0)

    engine = AlibiEngine.restore(bare, engine.state(), settings, worker=worker)
    engine.update(_columns(200))

    assert (engine.verdict().learning, engine.verdict().reference_rows, engine.verdict().rows) == (0, 250, 150)
    assert engine.verdict().waiting == 1


def _of_another(state: bytes) -> tuple[Reference, bytes]:
    return build_reference(rows(np.random.default_rng(9), 500)), state


def _damaged(state: bytes) -> tuple[Reference | None, bytes]:
    return None, state[: len(state) // 2]


@pytest.mark.parametrize(("change", "said"), [(_of_another, "another reference"), (_damaged, "damaged")])
def test_a_state_that_does_not_fit_is_refused(
    reference: Reference, worker: Worker, change: Callable[[bytes], tuple[Reference | None, bytes]], said: str
) -> None:
    """Rows of other columns must not be compared with this reference."""
    engine = AlibiEngine(reference, worker=worker)
    engine.update(_columns(10))
    other, state = change(engine.state())

    with pytest.raises(StateUnreadable, match=said):
        AlibiEngine.restore(other or reference, state, worker=worker)


@pytest.mark.parametrize(
    "columns", [{}, None, {"x0": []}, {"extra": [1]}, {"x0": "text"}, {"x0": [[], {}, object(), 10**400, float("inf")]}]
)
def test_no_event_makes_it_fail(reference: Reference, worker: Worker, columns: dict[str, object] | None) -> None:
    """Whatever an event holds is taken."""
    engine = AlibiEngine(reference, worker=worker)
    engine.update(columns)
    engine.update(columns, predictions=[1, "a", None], scores=[[0.1, 0.9], None, "x"])

    assert engine.verdict().status is Status.LOADING


def test_what_is_exported_fits_its_metrics(reference: Reference, worker: Worker) -> None:
    """Each sample must have as many labels as its metric; that somebody is to be called is not said by this engine."""
    verdict: Verdict = AlibiEngine(reference, worker=worker).verdict()
    found = list(samples("wine", "v1", verdict))

    assert all(len(labels) == len(metric.labels) for metric, labels, _ in found)
    assert Metrics.DRIFT_DETECTED not in [metric for metric, _, _ in found]
    assert (Metrics.DRIFT_ALARMS, ["wine", "v1", "alibi"], 0) in found
