"""The finder as the program that `sandbox logs` runs: one line in, one event a line out, and the ways it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlsandbox_serving.contract import Dataset, Env, Field, Finder
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.log_store.row import to_row
from mlsandbox_serving.log_store.store import EventStore
from mlsandbox_serving.record import Facts, Identity
from support.prediction_records import prediction_record
from support.waiting import HANG_SECONDS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    """A store with two events."""
    made = EventStore(tmp_path)
    _add(made, 1, 2)
    yield made
    made.close()


def _add(store: EventStore, *numbers: int) -> None:
    records = [
        {Field.EVENT_ID: f"id-{number}", Field.EVENT_DATASET: Dataset.PREDICTION, "n": number, "city": "Gdańsk"} for number in numbers
    ]
    store.add([to_row("sandbox.churn", Event(number, record)) for number, record in zip(numbers, records, strict=True)])


@contextmanager
def _finder(folder: Path, conditions: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", Finder.LOG_STORE]
    pipe = subprocess.PIPE
    environ = {Env.LOG_STORE_DIR: str(folder)}
    with subprocess.Popen(argv, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8") as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(conditions) + "\n")
        process.stdin.flush()
        yield process
        process.kill()


def _answer(folder: Path, conditions: dict[str, Any]) -> tuple[int, list[dict[str, Any]], str]:
    with _finder(folder, conditions) as process:
        out, err = process.communicate(timeout=HANG_SECONDS)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def test_events_come_one_a_line(store: EventStore) -> None:
    """Events must come oldest first as they were logged, with no key of the store's own."""
    code, events, err = _answer(store.path.parent, {"requests": True, "limit": 100})

    assert (code, err) == (0, "")
    assert [event["n"] for event in events] == [1, 2]
    assert events[0] == {"event.id": "id-1", "event.dataset": "sandbox.prediction", "n": 1, "city": "Gdańsk"}


def test_predictions_come_with_whether_they_are_as_written(store: EventStore) -> None:
    """Of each prediction, and of nothing else, it must be told whether its digest fits; of one without a digest that nobody knows."""
    written = prediction_record(Identity("churn", "v1", "sha256:abc"), Facts("POST", "/predict", "r-1"), {"age": [41.0]}, ["no"])
    edited = written | {Field.EVENT_ID: "edited"}
    failed = {Field.EVENT_ID: "failed", Field.EVENT_DATASET: Dataset.ERROR}
    store.add([to_row("sandbox.churn", Event(number, record)) for number, record in enumerate((written, edited, failed), start=3)])

    code, events, _ = _answer(store.path.parent, {"predictions": True, "limit": 100})

    assert code == 0
    assert [event[Finder.FITS] for event in events] == [None, None, True, False]
    assert {event[Field.EVENT_DATASET] for event in events} == {Dataset.PREDICTION}


def test_following_ends_when_nobody_listens(store: EventStore) -> None:
    """A new event must come at once; closing its standard input must end the finder with 0."""
    with _finder(store.path.parent, {"limit": 1, "follow": True}) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["n"] == 2
        _add(store, 3)
        assert json.loads(process.stdout.readline())["n"] == 3
        process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0


def test_a_reader_that_is_gone_is_no_error(store: EventStore) -> None:
    """A finder whose output nobody reads any more must end quietly."""
    with _finder(store.path.parent, {"limit": 1, "follow": True}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        _add(store, *range(3, 100))
        assert process.wait(HANG_SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_failures_are_told_in_one_line(tmp_path: Path) -> None:
    """What cannot be found, and conditions that are none, must end it with 3 and a code on standard error."""
    code, events, err = _answer(tmp_path / "nothing", {"limit": 1})
    assert (code, events) == (Finder.FAILED, [])
    assert json.loads(err)["error"]["code"] == Finder.ABSENT

    for wrong in ({"colour": "red"}, {"level": "loud"}):
        code, _, err = _answer(tmp_path, wrong)
        assert code == Finder.FAILED
        assert json.loads(err)["error"]["code"] == Finder.INVALID


def test_it_starts_in_no_time(store: EventStore) -> None:
    """It is started for every `sandbox logs`, so it must load nothing of what the store itself needs."""
    code = f"import {Finder.LOG_STORE}, sys; print([name for name in ('msgpack', 'asyncio', 'prometheus_client') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert store.path.exists()
