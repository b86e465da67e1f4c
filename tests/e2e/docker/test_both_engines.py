"""The same stack as containers and as child processes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.docker_stack import DockerSandbox
from support.sandbox import Sandbox, get, post
from support.waiting import wait_for


@pytest.fixture(scope="module")
def embedded(trained_example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The example's model as child processes."""
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "home").mkdir()
    shutil.copytree(trained_example, folder / "employment")
    sandbox = Sandbox(folder / "employment", folder / "home")
    sandbox.run("up").ok()
    yield sandbox
    sandbox.down()


def test_answers_metrics_and_events_must_be_the_same(full: DockerSandbox, embedded: Sandbox, row: dict[str, object]) -> None:
    """The same requests must have the same answers, the same metric names and events with the same fields on both engines."""
    for body in (row, {"rows": [row, row]}, {"nonsense": 1}):
        here, there = post(f"{embedded.url}/predict", body), post(f"{full.url}/predict", body)
        assert here[0] == there[0]
        assert _timeless(here[1]) == _timeless(there[1])
        assert _names(here[2]) == _names(there[2])
    assert _metrics(embedded.url) == _metrics(full.url)
    assert _event_fields(embedded) == _event_fields(full)


def test_lite_must_search_as_full_does(make_docker: Callable[..., DockerSandbox], row: dict[str, object]) -> None:
    """The lite profile must answer and find events without Elasticsearch and Fluentd; `down --volumes` must leave nothing."""
    lite = make_docker("e2e-lite", SANDBOX_PROFILE="lite")
    lite.run("up", timeout=600).ok()
    assert "elasticsearch" not in lite.containers()
    assert post(f"{lite.url}/predict", row)[0] == 200
    wait_for(lambda: lite.events("-n", "10"), what="the event")

    down = lite.run("down", "-o", "json").ok().json

    assert set(lite.left()) == {"volumes", "images"}
    assert set(lite.left()["volumes"]) == {each["name"] for each in down["kept_outside"] if each["kind"] == "volume"}
    lite.run("down", "--volumes", "--yes").ok()
    assert lite.left() == {}
    assert not (lite.root / ".sandbox").exists()


def _timeless(answer: dict[str, object]) -> dict[str, object]:
    """Without the request's id, wherever it stands."""
    return {key: _timeless(value) if isinstance(value, dict) else value for key, value in answer.items() if key != "request_id"}


def _names(headers: object) -> set[str]:
    return {str(name).lower() for name in dict(headers)}  # type: ignore[call-overload]


def _metrics(url: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+ \S+)$", get(f"{url}/metrics")[1], re.MULTILINE))


def _event_fields(sandbox: Sandbox) -> set[frozenset[str]]:
    import json  # noqa: PLC0415 - here alone

    def shapes() -> set[frozenset[str]]:
        lines = sandbox.run("logs", "--requests", "-n", "200", "-o", "jsonl").ok().out.splitlines()
        return {frozenset(json.loads(line)) for line in lines}

    return wait_for(lambda: found if len(found := shapes()) >= 2 else None, what="events of both kinds")
