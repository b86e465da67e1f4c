"""Files that services read again by themselves: a change that does not come true leaves them as they were."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace

from mlsandbox.engines.base import Result, Undone
from mlsandbox.render.config import FOLDER
from mlsandbox.stack.spec import ServiceSpec
from mlsandbox.supervise.transition import State
from support.engine_bench import Bench
from support.toys import toy
from support.waiting import wait_for

LIVE = "live.json"


def reading(bench: Bench, content: str) -> ServiceSpec:
    """A toy that may read such a file, and cannot start without its journal's folder."""
    made = toy("reader", bench.ports[0], TOY_JOURNAL=str(bench.root / "journals" / "journal"))
    return replace(made, files={LIVE: content}, live=(LIVE,))


def read(bench: Bench) -> str:
    return (bench.root / ".sandbox" / "stack" / FOLDER / "reader" / LIVE).read_text("utf-8")


def test_of_what_fails_as_it_is(bench: Bench) -> None:
    """When nothing but the file was to change, and what reads it cannot be started, the file must be as it was."""
    (bench.root / "journals").mkdir()
    assert bench.up(reading(bench, "1")).result is Result.READY
    shutil.rmtree(bench.root / "journals")
    pid = bench.service("reader").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: bench.states() == {"reader": State.FAILED}, what="it is given up")

    outcome = bench.up(reading(bench, "2"))

    assert (outcome.result, outcome.undone) == (Result.CRASHED, Undone.NOTHING)
    assert read(bench) == "1"


def test_of_what_is_not_ready_in_time(bench: Bench) -> None:
    """When nothing but the file was to change, and what reads it does not answer, the file must be as it was."""
    (bench.root / "journals").mkdir()
    assert bench.up(reading(bench, "1")).result is Result.READY
    pid = bench.service("reader").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: bench.states() == {"reader": State.UNREADY}, what="it does not answer")

        outcome = bench.up(reading(bench, "2"), timeout=0.1)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert outcome.result is Result.TIMEOUT
    assert read(bench) == "1"
