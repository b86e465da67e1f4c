"""The drift service with alibi beside its native engine, as a process in the environment that both need."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsandbox.errors import PythonMissing
from mlsandbox.packaging.environments import service_environment
from mlsandbox_serving.contract import Env
from mlsandbox_serving.forward.client import ForwardClient
from support.drift_service import DriftService, entries, record, reference
from support.event_processes import metric
from support.repository import ROOT
from support.sandbox import CACHE
from support.waiting import wait_for

Make = Callable[..., DriftService]
BOTH = {Env.DRIFT_ENGINES: "native,alibi"}
IMPORT_SECONDS = 120.0
KILLS = 4


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    """Of an environment with alibi-detect; skipped only where no Python is on which it runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_CACHE_DIR", str(CACHE))
        try:
            yield service_environment("drift-alibi", report=print)
        except PythonMissing as missing:
            pytest.skip(f"{missing}: {missing.why}")


def _stream(count: int, *, shift_from: int) -> list[bytes]:
    """Events of one to nine rows of two versions, as they are sent; from one of them on they drift."""
    dice = np.random.default_rng(7)
    return entries(
        record(dice, f"id-{number}", 1 + number % 9, version="v2" if number % 5 == 0 else "v1", shift=float(number >= shift_from))
        for number in range(count)
    )


def _send(drift: DriftService, sent: list[bytes]) -> None:
    with ForwardClient("127.0.0.1", drift.forward_port, ack_timeout=20) as client:
        client.send("sandbox.churn", sent)


def _opinion(drift: DriftService, version: str = "v1") -> dict[str, Any]:
    """What alibi says, without what no two runs share."""
    said = dict(drift.model(version=version)["alibi"])
    if said["window"] is not None:
        said["window"] = {**said["window"], "ended": None, "seconds": None}
    return said


def _compared(drift: DriftService, version: str = "v1") -> dict[str, Any] | None:
    """The same once nothing waits."""
    said = _opinion(drift, version)
    return said if said["waiting_windows"] == 0 and said["state"] != "loading" else None


def _alibi(drift: DriftService) -> dict[str, Any]:
    return next(each for each in drift.status()["engines"] if each["name"] == "alibi")


def _with(python: Path, drift: DriftService) -> DriftService:
    drift.python = python
    return drift


def _settings() -> dict[str, str]:
    return {**BOTH, "PYTHONPATH": str(ROOT / "services"), "OMP_NUM_THREADS": "1"}


def test_killed_in_the_middle_of_a_stream(make_drift: Make, python: Path) -> None:
    """With kill -9 between and within deliveries both engines must end where an uninterrupted run does."""
    references = {"churn/v1": reference(), "churn/v2": reference(1)}
    calm = _with(python, make_drift("calm", profiles=references, **_settings()))
    killed = _with(python, make_drift("killed", profiles=references, **_settings()))
    stream = _stream(1_400, shift_from=900)
    calm.start()
    _send(calm, stream)

    dice = random.Random(11)
    killed.start()
    place, kills = 0, 0
    while place < len(stream):
        size = dice.choice([7, 60, 300])
        reaper = None
        if kills < KILLS and place > kills * 250:
            kills += 1
            reaper = threading.Timer(dice.uniform(0.0, 0.03) if kills % 2 else 0.0, killed.kill)
            reaper.start()
        try:
            _send(killed, stream[place : place + size])
            place += size
        except OSError:
            pass  # sent again after the restart, perhaps in other company
        if reaper is not None:
            reaper.join()
            killed.start()
    killed.kill()
    killed.start()
    assert kills == KILLS

    for version in ("v1", "v2"):
        one = wait_for(partial(_compared, calm, version), timeout=IMPORT_SECONDS, what="an undisturbed run has compared all")
        other = wait_for(partial(_compared, killed, version), timeout=IMPORT_SECONDS, what="the killed one has, too")
        assert one == other
        assert {**calm.model(version=version), "alibi": None} == {**killed.model(version=version), "alibi": None}
    said = _opinion(killed)
    assert (said["state"], said["windows"], said["failed_rows"], said["dropped_rows"]) == ("drift", 5, 0, 0)
    assert said["window"]["columns"][0]["column"] == "age"
    assert (calm.stop(), killed.stop()) == (0, 0)
    assert calm.saved() == killed.saved()


def test_both_engines_are_told_side_by_side(make_drift: Make, python: Path) -> None:
    """In the metrics each under its label, in one family; on the page in a section of its own."""
    drift = _with(python, make_drift(profiles={"churn/v1": reference()}, **_settings()))
    drift.start()
    dice = np.random.default_rng(5)
    _send(drift, entries(record(dice, f"moved-{number}", 50, shift=1.0) for number in range(40)))

    told = {"model": "churn", "version": "v1", "kind": "features", "column": "age"}
    wait_for(
        lambda: metric(drift.probe_port, "sandbox_drift_certain", engine="alibi", **told) == 1,
        timeout=IMPORT_SECONDS,
        what="alibi tells of the column",
    )
    assert metric(drift.probe_port, "sandbox_drift_certain", engine="native", **told) == 1
    assert metric(drift.probe_port, "sandbox_drift_alarms_total", engine="alibi", model="churn") > 0
    assert metric(drift.probe_port, "sandbox_drift_engine_errors_total", engine="alibi") == 0
    assert _alibi(drift) == {"name": "alibi", "on": True, "status": "ready", "reason": None}
    page = drift.page()
    assert "Second opinion: alibi" in page
    assert page.index("Second opinion: alibi") < page.index("kolmogorov-smirnov")
    assert [path.parts[-3] for path in drift.folder.rglob("rows.npz")] == ["profiles"]


def test_native_answers_while_alibi_is_imported(make_drift: Make, tmp_path: Path) -> None:
    """An import without an end must delay nothing: rows are compared by the native engine, and wait for the other one."""
    _library(tmp_path, "while True:\n    time.sleep(0.05)\n")
    drift = make_drift(profiles={"churn/v1": reference()}, **BOTH, PYTHONPATH=str(tmp_path / "library"))
    drift.start()
    _send(drift, _stream(600, shift_from=100))

    assert drift.model()["state"] == "drift"
    assert _alibi(drift)["status"] == "loading"
    assert _opinion(drift)["state"] == "loading"
    assert _opinion(drift)["waiting_windows"] == 2
    assert drift.stop() == 0


@pytest.mark.parametrize("code", ["raise ImportError('no such library')", "raise SystemExit(1)", "import gone_missing"])
def test_alibi_that_cannot_be_imported_is_an_error(make_drift: Make, tmp_path: Path, code: str) -> None:
    """Rows that it should have compared must be counted as errors, its status must say why, and native must not care."""
    _library(tmp_path, code)
    drift = make_drift(profiles={"churn/v1": reference()}, **BOTH, PYTHONPATH=str(tmp_path / "library"))
    drift.start()
    _send(drift, _stream(600, shift_from=100))

    wait_for(lambda: metric(drift.probe_port, "sandbox_drift_engine_errors_total", engine="alibi") == 2_000, what="two windows are errors")
    status = _alibi(drift)
    assert (status["on"], status["status"]) == (False, "failed")
    assert "alibi-detect cannot be imported" in status["reason"]
    assert _opinion(drift)["state"] == "failed"
    assert drift.model()["state"] == "drift"
    assert metric(drift.probe_port, "sandbox_drift_engine_errors_total", engine="native") == 0
    assert "No drift" not in drift.page().partition("Second opinion")[2].partition("</section>")[0]


def _library(folder: Path, code: str) -> None:
    """An alibi-detect that does something else when it is imported."""
    package = folder / "library" / "alibi_detect"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "cd.py").write_text(f"import time\n{code}\n")
