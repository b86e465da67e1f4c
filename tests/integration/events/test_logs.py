"""`sandbox logs` of events: found beside the log store with what it ran with, while it runs and when nothing does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import mlsandbox_serving
from mlsandbox.actions.logs import EventFilter, events, finder_beside, service_names
from mlsandbox.engines import ENGINES
from mlsandbox.errors import CommandFailed, EventLogUnreadable, NotRunning
from mlsandbox.supervise.spec import Folder, ProcessList, ProcessSpec, list_to_json
from mlsandbox_serving.contract import Dataset, Env, Field, Finder
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.log_store.row import to_row
from mlsandbox_serving.log_store.store import EventStore


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The folder of a project whose stack ran, and is stopped."""
    folder = Folder(tmp_path / "Büro Projekt" / ".sandbox")
    folder.logs.mkdir(parents=True)
    folder.log("api-v1").touch()
    served = str(Path(mlsandbox_serving.__path__[0]).parent)
    env = {"PYTHONPATH": served, Env.LOG_STORE_DIR: str(folder.path / "data" / "log-store"), "TRIAL": "ours"}
    argv = (sys.executable, "-m", "mlsandbox_serving.log_store")
    spec = ProcessSpec("log-store", argv, env, served, str(folder.log("log-store")), surroundings={"LANG": "C"})
    folder.processes.parent.mkdir(parents=True)
    folder.processes.write_text(list_to_json(ProcessList((spec,))))
    return folder


def _log(folder: Folder, *numbers: int) -> None:
    store = EventStore(folder.path / "data" / "log-store")
    records = [
        {Field.EVENT_ID: f"id-{number}", Field.EVENT_DATASET: Dataset.PREDICTION, Field.PREDICTIONS: [0], "n": number} for number in numbers
    ]
    store.add([to_row("sandbox.churn", Event(number, record)) for number, record in zip(numbers, records, strict=True)])
    store.close()


def _found(folder: Folder, **conditions: Any) -> list[int]:
    return [event["n"] for event in events(folder.path.parent, EventFilter(**conditions), lines=2, follow=False)]


def test_events_are_found_when_nothing_runs(folder: Folder) -> None:
    """What was logged must be found after the stack was stopped: the newest, oldest first, that match."""
    _log(folder, 1, 2, 3)

    assert _found(folder, requests=True) == [2, 3]
    assert _found(folder, errors=True) == []


def test_the_newest_rows_are_found(folder: Folder) -> None:
    """With a bound on rows the newest events must come, newest first, and follow none."""
    _log(folder, 1, 2, 3)

    found = events(folder.path.parent, EventFilter(requests=True), lines=10, rows=2)

    assert [event["n"] for event in found] == [3, 2]
    with pytest.raises(CommandFailed):
        list(events(folder.path.parent, EventFilter(), lines=10, rows=2, follow=True))


def test_new_events_are_followed(folder: Folder) -> None:
    """With follow a new event must come after those that were there."""
    _log(folder, 1)
    found = events(folder.path.parent, EventFilter(requests=True), lines=2, follow=True)

    assert next(found)["n"] == 1
    _log(folder, 2)
    assert next(found)["n"] == 2
    found.close()  # type: ignore[attr-defined] # a generator


def test_nothing_logged_names_the_command(folder: Folder, tmp_path: Path) -> None:
    """Before anything was logged the error must say how to begin, with and without a stack that ran."""
    for root in (folder.path.parent, tmp_path):
        with pytest.raises(EventLogUnreadable, match="no events are logged yet") as caught:
            list(events(root, EventFilter(requests=True), lines=1, follow=False))
        assert "sandbox up" in caught.value.fix


def test_a_damaged_log_is_named(folder: Folder) -> None:
    """A damaged database must be named with what to do."""
    path = folder.path / "data" / "log-store" / "events.sqlite3"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(EventLogUnreadable, match="cannot be read") as caught:
        _found(folder)

    assert str(path) in caught.value.why
    assert "sandbox down" in caught.value.fix


def test_a_stack_whose_environment_is_gone_is_started(folder: Folder) -> None:
    """When the interpreter was removed with the cache, the error must say to start the stack, and what is gone."""
    folder.processes.write_text(folder.processes.read_text().replace(sys.executable, "/nowhere/python"))

    with pytest.raises(NotRunning, match="log-store") as caught:
        _found(folder)

    assert "/nowhere/python" in caught.value.why
    assert "sandbox up" in caught.value.fix


def test_names_of_services(folder: Folder, tmp_path: Path) -> None:
    """Services of the stack and those whose output is there must be known; in an empty project none is."""
    assert service_names(folder.path.parent) == ["api-v1", "log-store"]
    assert service_names(tmp_path) == []


def test_a_program_beside_a_service_has_its_environment(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must see the service's variables and folder, and nothing that steers our own Python."""
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    engine = ENGINES["embedded"](folder.path.parent)
    code = "import os, sys; print(os.environ['TRIAL'], os.environ.get('PYTHONWARNINGS'), os.getcwd(), sys.stdin.readline().strip())"

    (line,) = engine.run_in("log-store", ("-c", code), "text\n")

    assert line == f"ours None {Path(mlsandbox_serving.__path__[0]).parent} text"
    with pytest.raises(CommandFailed) as caught:
        list(engine.run_in("log-store", ("-c", "raise SystemExit(4)"), ""))
    assert caught.value.details["returncode"] == 4
    with pytest.raises(NotRunning, match="api-v1"):
        engine.run_in("api-v1", ("-c", ""), "")
    assert (engine.kept(), engine.remove_kept()) == ((), ())


@pytest.mark.parametrize(
    ("names", "running", "expected"),
    [
        (("api-v1", "log-store", "shipper"), (), ("log-store", Finder.LOG_STORE)),
        (("api-v1", "elasticsearch", "fluentd", "shipper"), (), ("shipper", Finder.ELASTICSEARCH)),
        (("shipper", "shipper-b"), ("api-v1", "shipper-b"), ("shipper-b", Finder.ELASTICSEARCH)),
    ],
)
def test_where_events_are_found(names: tuple[str, ...], running: tuple[str, ...], expected: tuple[str, str]) -> None:
    """A stack with a log store must be asked there; one with Elasticsearch beside a shipper, one that runs if there is one."""
    assert finder_beside(names, running) == expected
