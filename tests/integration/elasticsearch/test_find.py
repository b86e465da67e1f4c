"""`sandbox logs` with Elasticsearch: the same events as the embedded log store finds, and every new one while following."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from mlsandbox_serving.contract import Dataset, Field, Finder, LogTable
from mlsandbox_serving.elasticsearch.client import Client
from mlsandbox_serving.elasticsearch.find import find
from mlsandbox_serving.finding import Conditions
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.log_store.find import find as find_in_file
from mlsandbox_serving.log_store.row import to_row
from mlsandbox_serving.log_store.store import EventStore
from support.elasticsearch_programs import Follower, found, set_up, started, store
from support.event_processes import free_port
from support.standins import StandIn
from support.waiting import HANG_SECONDS

START = datetime(2026, 3, 1, 23, 59, 0, tzinfo=UTC)
"""A minute before midnight: the events are in two indices."""


def event(number: int, more: Mapping[str, Any] | None = None, *, at: datetime | None = None) -> dict[str, Any]:
    """An event like ours; every third one tells of a failure."""
    failed = number % 3 == 0
    return {
        Field.TIMESTAMP: (at or START + timedelta(seconds=number, microseconds=number))
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z"),
        Field.EVENT_ID: f"e{number:04}",
        Field.EVENT_DATASET: Dataset.ERROR if failed else Dataset.PREDICTION,
        Field.EVENT_OUTCOME: "failure" if failed else "success",
        Field.REQUEST_ID: f"r{number % 10}",
        Field.PREDICTIONS: [number],
        **(more or {}),
    }


EVENTS = [
    *(event(number) for number in range(120)),
    event(200, {Field.EVENT_DATASET: Dataset.FEEDBACK, Field.EVENT_OUTCOME: "success"}),
    event(201, {Field.EVENT_DATASET: "other", Field.LEVEL: "WARN"}),
    event(202, {Field.EVENT_DATASET: "other", Field.LEVEL: "debug"}),
    event(203, {Field.EVENT_DATASET: "other", Field.LEVEL: "Fatal"}),
    event(204, {Field.EVENT_DATASET: "other", Field.EVENT_OUTCOME: "failure"}),
    event(205, {Field.LEVEL: "nonsense"}),
    event(206, {Field.EVENT_DATASET: Dataset.DRIFT, Field.EVENT_OUTCOME: "success"}),
    *(event(number, {Field.MODEL: "churn", Field.VERSION: f"v{number % 2 + 1}"}) for number in range(208, 220)),
    event(207, {Field.EVENT_DATASET: Dataset.OUTLIERS, Field.EVENT_OUTCOME: "success"}),
]
SINCE = (START + timedelta(seconds=60, microseconds=60)).timestamp()
CONDITIONS = [
    Conditions(limit=1000),
    Conditions(limit=7),
    Conditions(requests=True, limit=1000),
    Conditions(errors=True, limit=1000),
    Conditions(errors=True, limit=3),
    Conditions(drift=True, limit=1000),
    Conditions(outliers=True, limit=1000),
    Conditions(request_id="r3", limit=1000),
    Conditions(request_id="nobody's"),
    Conditions(since=SINCE, limit=1000),
    Conditions(since=SINCE + 0.000_001, limit=1000),
    Conditions(rows=1),
    Conditions(rows=30, limit=1000),
    Conditions(rows=1000, limit=7),
    Conditions(rows=1000, requests=True, model="churn", version="v2", since=SINCE),
    Conditions(model="churn", limit=1000),
    Conditions(requests=True, level="error", request_id="r6", since=SINCE, limit=2),
    *(Conditions(level=level, limit=1000) for level in LogTable.LEVELS),
]


@pytest.mark.parametrize("wanted", CONDITIONS, ids=str)
def test_same_as_the_embedded_log_store(wanted: Conditions, url: str, client: Elasticsearch, tmp_path: Path) -> None:
    """Both stores must find the same events in the same order."""
    set_up(url)
    store(client, EVENTS)
    file = EventStore(tmp_path / "log-store")
    file.add([to_row("sandbox.churn", Event(_nanoseconds(each), each)) for each in EVENTS])
    expected = list(find_in_file(file.path, wanted))
    file.close()

    assert found(url, wanted) == expected


def test_many(url: str, client: Elasticsearch) -> None:
    """More events than one page has must all be found, each once."""
    set_up(url)
    many = [event(number, at=START + timedelta(milliseconds=number // 4)) for number in range(1_300)]
    store(client, many)

    assert [each[Field.EVENT_ID] for each in found(url, Conditions(limit=1_234))] == [f"e{number:04}" for number in range(66, 1_300)]


def test_rows_are_asked_for_page_by_page(url: str, client: Elasticsearch) -> None:
    """With a bound on rows no page must be asked for before the events of the one before were taken."""
    set_up(url)
    store(client, [event(number) for number in range(100)])
    recording = Recording(url)

    found_first = next(find(recording, Conditions(rows=1_000, limit=1_000)))

    assert found_first is not None
    assert found_first[Field.EVENT_ID] == "e0099"
    assert recording.sizes == [10]


class Recording(Client):
    """Remembers how many events it asked for at a time."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sizes: list[int] = []

    def request(self, method: str, path: str, body: Any = None, *, params: Mapping[str, str] | None = None) -> Any:
        self.sizes.append(body["size"])
        return super().request(method, path, body, params=params)


@pytest.mark.parametrize(("padding", "page"), [(0, 500), (512 * 1024, 32)])
def test_pages_fit_the_events(padding: int, page: int, url: str, client: Elasticsearch) -> None:
    """Small events must come in large pages, large ones in small pages, so that no search fills Elasticsearch's memory."""
    set_up(url)
    store(client, [event(number, {Field.MESSAGE: "x" * padding}) for number in range(50)])
    recording = Recording(url)

    events = list(find(recording, Conditions(limit=1_000)))

    assert len(events) == 50
    assert recording.sizes[0] == 10
    assert max(recording.sizes) <= page
    assert recording.sizes[1] > page * 0.9


def test_nothing_logged(url: str) -> None:
    """Before the first event there must be none, and no error."""
    assert found(url, Conditions()) == []


def test_no_elasticsearch() -> None:
    """When nothing answers it must say so in the words of every finder."""
    process = started(Finder.ELASTICSEARCH, f"http://127.0.0.1:{free_port()}")
    output, errors = process.communicate(json.dumps({}) + "\n", timeout=HANG_SECONDS)

    assert (process.returncode, output) == (Finder.FAILED, "")
    assert json.loads(errors)["error"]["code"] == Finder.UNREACHABLE


@pytest.fixture
def followers() -> Iterator[list[Follower]]:
    made: list[Follower] = []
    yield made
    for each in made:
        each.kill()


def test_follow(url: str, client: Elasticsearch, followers: list[Follower]) -> None:
    """Every new event must come once: one that is late, one in a new index, and none that is only written again."""
    set_up(url)
    store(client, EVENTS[:5])
    follower = Follower(url, Conditions(limit=2))
    followers.append(follower)
    assert [follower.next(), follower.next()] == ["e0003", "e0004"]

    store(client, [event(300)])
    assert follower.next() == "e0300"
    store(client, [EVENTS[4], event(300), event(301, at=START - timedelta(hours=1))])
    assert follower.next() == "e0301"
    store(client, [event(302, at=START + timedelta(days=3))])
    assert follower.next() == "e0302"

    assert follower.end() == (0, [])


def test_follow_from_nothing(url: str, client: Elasticsearch, followers: list[Follower]) -> None:
    """Following must begin before there is anything, and hold to the conditions."""
    set_up(url)
    follower = Follower(url, Conditions(errors=True))
    followers.append(follower)
    store(client, [event(1), event(3)])

    assert follower.next() == "e0003"
    assert follower.end() == (0, [])


def test_follow_through_a_restart(server: StandIn, url: str, client: Elasticsearch, followers: list[Follower]) -> None:
    """A restart of Elasticsearch must not end what is followed."""
    set_up(url)
    store(client, EVENTS[:1])
    follower = Follower(url, Conditions())
    followers.append(follower)
    assert follower.next() == "e0000"

    server.kill()
    server.start()
    store(client, [event(300)])

    assert follower.next() == "e0300"


def _nanoseconds(found_event: dict[str, Any]) -> int:
    instant = datetime.fromisoformat(found_event[Field.TIMESTAMP])
    return int(instant.replace(microsecond=0).timestamp()) * 10**9 + instant.microsecond * 1_000
