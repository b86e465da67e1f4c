"""A champion and its challenger over real connections: shares, copies, and challengers that fail in every way."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.base import BaseEstimator, ClassifierMixin

from mlsandbox_serving.contract import Env, Field, Header, Metrics, Origin, Route, Traffic
from mlsandbox_serving.service import challenge, challenger, shadow
from mlsandbox_serving.service.traffic import place_of
from support.guarded import Reply, read_reply
from support.rival import Asked, Rival, reply
from support.served import Laid, fitted, lay, people
from support.service import rows_of
from support.waiting import wait_for
from support.wired import Wired, wired

ROWS = rows_of(100)
FLIPPED = 17
"""Rows of these that the challenger answers otherwise."""


class Flipping(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # untyped bases
    """Answers as another model does, but for people of some ages."""

    def __init__(self, model: Any = None, ages: tuple[int, ...] = ()) -> None:
        self.model = model
        self.ages = ages

    @property
    def classes_(self) -> Any:
        return self.model.classes_

    def predict(self, frame: Any) -> Any:
        answers = self.model.predict(frame)
        flips = np.isin(frame["age"], self.ages)
        return np.where(flips, np.where(answers == "yes", "no", "yes"), answers)


@pytest.fixture(scope="module")
def ages() -> tuple[int, ...]:
    """Of the rows that are flipped."""
    counts = pd.Series([row["age"] for row in ROWS]).value_counts().sort_index()
    chosen: list[int] = []
    for age, count in counts.items():
        if sum(counts[list(chosen)]) + count <= FLIPPED:
            chosen.append(int(str(age)))
    assert sum(counts[chosen]) == FLIPPED
    return tuple(chosen)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    frame = people()
    return lay(tmp_path_factory.mktemp("first"), fitted(frame), frame)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, ages: tuple[int, ...]) -> Iterator[Wired]:
    """The challenger, v2; what it answers and logs is of all tests of this module."""
    frame = people()
    flipping = Flipping(fitted(frame), ages)
    folder = tmp_path_factory.mktemp("second")
    with wired(lay(folder, flipping, frame, manifest={"version": "v2", "digest": "sha256:2"})) as server:
        yield server


@dataclass
class Pair:
    """A champion, and the file that tells it of its challenger."""

    champion: Wired
    file: Path
    connection: socket.socket

    def ask(self, content: Any, *, headers: str = "", path: str = "/predict", chunked: bool = False) -> Reply:
        """One answer, over one connection for all."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        if "content-type" not in headers:
            headers += "content-type: application/json\r\n"
        length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        self.connection.sendall(f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}{length}\r\n\r\n".encode() + sent)
        return read_reply(self.connection)

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """Samples of a metric that are not 0, by their labels' values without model and champion."""
        self.connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        text = read_reply(self.connection).body.decode()
        return {
            tuple(value for label, value in sorted(sample.labels.items()) if label not in {"model", "version"}): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and sample.value
        }

    @property
    def requests(self) -> dict[str, float]:
        """What became of requests and copies, by the result."""
        return {result: count for (_challenger, _mode, result), count in self.counted(Metrics.CHALLENGER_REQUESTS.name).items()}

    @property
    def rows(self) -> dict[str, float]:
        """Compared rows, by the result."""
        return {result: count for (_challenger, result), count in self.counted(Metrics.SHADOW_ROWS.name).items()}

    @property
    def contest(self) -> Any:
        return self.champion.served.app._challenge.contest

    def tell(self, port: int | None, **changed: Any) -> None:
        """Write the document anew, and wait until the champion acts by it."""
        before = self.contest
        write(self.file, port, **changed)
        wait_for(lambda: self.contest is not before, what="the new document")


def write(file: Path, port: int | None, *, percent: float = 100, shadow: bool = False, champion: str = "v1") -> None:
    beside = {Traffic.VERSION: "v2", Traffic.ADDRESS: f"127.0.0.1:{port}", Traffic.PERCENT: percent, Traffic.SHADOW: shadow}
    new = file.with_suffix(".new")
    new.write_text(json.dumps({Traffic.CHAMPION: champion, Traffic.CHALLENGER: beside if port else None}), encoding="utf-8")
    new.replace(file)


@contextmanager
def pair(laid: Laid, file: Path, port: int | None, *, environ: dict[str, str] | None = None, **traffic: Any) -> Iterator[Pair]:
    write(file, port, **traffic)
    with wired(laid, environ={Env.TRAFFIC_FILE: str(file), **(environ or {})}) as champion, champion.connect() as connection:
        yield Pair(champion, file, connection)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "traffic.json"


def entity(number: int) -> str:
    return f"{Header.ENTITY}: customer-{number}\r\n"


def test_the_same_entities_at_every_share(first: Laid, second: Wired, file: Path) -> None:
    """Exactly the entities below the share must be answered by the challenger, again and again, and more of them at a larger share."""
    numbers = range(60)
    with pair(first, file, second.port, percent=20) as both:
        for percent in (20, 60):
            if percent != 20:
                both.tell(second.port, percent=percent)
            expected = ["v2" if place_of("toy", f"customer-{number}") < percent * 100 else "v1" for number in numbers]
            assert len(set(expected)) == 2
            for _ in range(2):
                answers = [both.ask(ROWS[number], headers=entity(number)) for number in numbers]
                assert [answer.headers[Header.MODEL_VERSION] for answer in answers] == expected
                assert [answer.json["version"] for answer in answers] == expected
        both.tell(None)
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"


def test_without_an_entity_the_request_decides(first: Laid, second: Wired, file: Path) -> None:
    """Without an entity the request's own id must decide."""
    with pair(first, file, second.port, percent=50) as both:
        answers = [both.ask(ROWS[0], headers=f"{Header.REQUEST_ID}: r{number}\r\n") for number in range(40)]

    expected = ["v2" if place_of("toy", f"r{number}") < 5_000 else "v1" for number in range(40)]
    assert [answer.headers[Header.MODEL_VERSION] for answer in answers] == expected
    assert [answer.headers[Header.REQUEST_ID] for answer in answers] == [f"r{number}" for number in range(40)]


CSV = "age,sex,hours,email\r\n41,female,,a@example.org\r\n"
INFER = {
    "inputs": [
        {"name": "age", "shape": [1, 1], "datatype": "INT64", "data": [41]},
        {"name": "sex", "shape": [1, 1], "datatype": "BYTES", "data": ["female"]},
        {"name": "hours", "shape": [1, 1], "datatype": "FP64", "data": [30.5]},
        {"name": "email", "shape": [1, 1], "datatype": "BYTES", "data": ["a@example.org"]},
    ]
}
WAYS: dict[str, dict[str, Any]] = {
    "express": {"content": ROWS[0]},
    "chunked": {"content": ROWS[0], "chunked": True},
    "large": {"content": {"rows": ROWS * 10}},
    "csv": {"content": CSV.encode(), "headers": "content-type: text/csv\r\naccept: text/csv\r\n"},
    "infer": {"content": INFER, "path": "/v2/models/toy/infer"},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_answer_is_the_challengers_own(first: Laid, second: Wired, file: Path, way: str) -> None:
    """In every format the client must get what the challenger answers when it is asked itself, with the request's own id."""
    headers = WAYS[way].get("headers", "") + f"{Header.REQUEST_ID}: r1\r\n"
    asked = {**WAYS[way], "headers": headers}
    with pair(first, file, second.port) as both, second.connect() as connection:
        answer = both.ask(**asked)
        alone = Pair(second, file, connection).ask(**asked)

    dated = {"date"}
    assert answer.body == alone.body
    assert {name: value for name, value in answer.headers.items() if name not in dated} == {
        name: value for name, value in alone.headers.items() if name not in dated
    }
    assert answer.headers[Header.MODEL_VERSION] == "v2"
    assert answer.headers[Header.PACKAGE_DIGEST] == "sha256:2"


@pytest.mark.parametrize("way", WAYS)
def test_who_logs_and_counts(first: Laid, second: Wired, file: Path, way: str) -> None:
    """Who answers must log it, nobody else; it is counted where it was asked, for the version that answered."""
    second.served.spool.events.clear()
    with pair(first, file, second.port) as both:
        both.ask(**WAYS[way])
        route = both.counted("sandbox_request_duration_seconds_count")
        requests = both.counted(Metrics.REQUESTS.name)
        result = both.requests
        assert both.champion.served.spool.events == []
    (event,) = second.served.spool.events

    name = Route.V2_INFER if way == "infer" else Route.PREDICT
    assert event[Field.VERSION] == "v2"
    assert Field.ORIGIN not in event
    assert result == {"answered": 1}
    assert requests["200", name] == 1
    assert route[(name,)] == 1


def test_versions_in_counts(first: Laid, second: Wired, file: Path) -> None:
    """A request that the challenger answered must count once as a prediction, as its; what it was asked by the champion is set apart."""
    with pair(first, file, second.port, percent=50) as both:
        for number in range(20):
            both.ask(ROWS[0], headers=entity(number))
        with both.champion.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            text = read_reply(connection).body.decode()
    counted = {
        sample.labels["version"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == Metrics.REQUESTS.name and sample.labels["route"] == "/predict" and sample.labels["code"] == "200"
    }

    theirs = sum(place_of("toy", f"customer-{number}") < 5_000 for number in range(20))
    assert counted == {"v1": 20 - theirs, "v2": theirs}


def test_the_challenger_sets_apart_what_was_sent_on(first: Laid, second: Wired, file: Path) -> None:
    """In the challenger's own numbers of requests what its champion sent on must be under a route of its own."""
    with second.connect() as connection:
        own = Pair(second, file, connection)
        before = own.counted(Metrics.REQUESTS.name)
        with pair(first, file, second.port) as both:
            both.ask(ROWS[0])
        after = own.counted(Metrics.REQUESTS.name)

    assert after["200", "forwarded"] - before.get(("200", "forwarded"), 0) == 1
    assert after.get(("200", "/predict")) == before.get(("200", "/predict"))


def test_what_is_not_the_challengers(first: Laid, second: Wired, file: Path) -> None:
    """What names a version, shows that this one answers, was sent on already, or is no prediction must be the champion's."""
    with pair(first, file, second.port) as both:
        answers = [
            both.ask(INFER, path="/v2/models/toy/versions/v1/infer"),
            both.ask(ROWS[0], headers=f"{Header.ORIGIN}: {Origin.EXAMPLE}\r\n"),
            both.ask(ROWS[0], headers=f"{Header.ORIGIN}: {Origin.SHADOW}\r\n"),
            both.ask(ROWS[0], headers=f"{Header.FORWARDED}: split\r\n"),
            both.ask({"request_id": "r1", "label": "no"}, path="/feedback"),
        ]
        assert both.requests == {}

    assert [answer.headers[Header.MODEL_VERSION] for answer in answers] == ["v1"] * 5


def test_two_versions_that_both_believe(first: Laid, tmp_path: Path) -> None:
    """A request must not go round between two versions each of which takes the other for its challenger."""
    frame = people()
    other = lay(tmp_path / "other", fitted(frame), frame, manifest={"version": "v2"})
    files = [tmp_path / "one.json", tmp_path / "other.json"]
    with pair(other, files[1], None, champion="v2") as there, pair(first, files[0], there.champion.port) as here:
        new = json.loads(files[0].read_text())
        new[Traffic.CHAMPION] = "v2"
        new[Traffic.CHALLENGER] |= {Traffic.VERSION: "v1", Traffic.ADDRESS: f"127.0.0.1:{here.champion.port}"}
        files[1].write_text(json.dumps(new))
        wait_for(lambda: there.contest, what="the second document")

        assert here.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v2"
        assert there.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"


def test_only_the_champion_acts(first: Laid, second: Wired, file: Path) -> None:
    """A version that is not the champion must answer what it is asked itself."""
    with pair(first, file, second.port, champion="v3") as both:
        assert both.contest is None
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"


def test_the_key_goes_with_it(first: Laid, file: Path, tmp_path: Path) -> None:
    """A request's key must be sent on, and nothing of a request without one."""
    keys = tmp_path / "keys"
    keys.write_text("k" * 43 + "\n")
    keys.chmod(0o600)
    with Rival(lambda _asked: reply(["yes"])) as rival, pair(first, file, rival.port, environ={Env.API_KEYS_FILE: str(keys)}) as both:
        assert both.ask(ROWS[0]).status == 401
        assert not rival.asked
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        told = f"{Header.API_KEY}: {'k' * 43}\r\n{Header.TRACEPARENT}: {trace}\r\nx-other: 1\r\n{Header.REQUEST_ID}: r1\r\n"
        assert both.ask(ROWS[0], headers=told).json["predictions"] == ["yes"]
        (asked,) = rival.asked

    assert asked.line == "POST /predict HTTP/1.1"
    assert json.loads(asked.body) == ROWS[0]
    assert asked.headers == {
        "host": f"127.0.0.1:{rival.port}",
        "content-type": "application/json",
        "content-length": str(len(asked.body)),
        Header.API_KEY: "k" * 43,
        Header.TRACEPARENT: trace,
        Header.REQUEST_ID: "r1",
        Header.FORWARDED: "split",
    }


def crash(_asked: Asked) -> bytes:
    raise OSError


HUGE = reply(body=b'{"predictions":["no"]}', headers={"x-filler": "x" * 4_000_000})
LARGE = reply(body=b'{"predictions":["no"]}' + b" " * 400_000)
FAULTS: dict[str, tuple[Callable[[Asked], bytes | None], str]] = {
    "stalls": (lambda _asked: None, "timeout"),
    "hangs up": (crash, "failed"),
    "talks garbage": (lambda _asked: b"\x00\xff garbage\r\n\r\n", "failed"),
    "cuts its answer short and stalls": (lambda _asked: reply(["yes"])[:-3], "timeout"),
    "answers 500": (lambda _asked: reply(status=500), "failed"),
    "answers 503": (lambda _asked: reply(status=503), "failed"),
    "answers 204": (lambda _asked: reply(status=204, body=b""), "failed"),
    "answers 422": (lambda _asked: reply(status=422), "refused"),
    "answers 401": (lambda _asked: reply(status=401), "refused"),
    "is another version": (lambda _asked: reply(["yes"], version="v3"), "failed"),
    "is another program": (lambda _asked: reply(["yes"], version=None), "failed"),
    "redirects": (lambda _asked: reply(status=302, headers={"location": "http://example.org/"}), "failed"),
    "upgrades": (lambda _asked: b"HTTP/1.1 101 Yes\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "failed"),
    "has a head without end": (lambda _asked: HUGE, "failed"),
    "has too large a body": (lambda _asked: LARGE, "failed"),
}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document is looked at more often than it would be."""
    monkeypatch.setattr(challenge, "LOOK_SECONDS", 0.05)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Challengers are given up soon, and may answer little."""
    monkeypatch.setattr(challenger, "MOST_SECONDS", 0.3)
    monkeypatch.setattr(challenger, "LARGEST_ANSWER", 300_000)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", FAULTS)
def test_no_failure_reaches_the_client(first: Laid, file: Path, fault: str) -> None:
    """Whatever a challenger does, the client must get the champion's answer, the event be its, and what happened be counted."""
    behave, result = FAULTS[fault]
    with Rival(behave) as rival, pair(first, file, rival.port) as both:
        answers = [both.ask(**WAYS[way]) for way in PREDICTED]
        assert both.requests == {result: 3}
        assert len(rival.asked) == 3
        both.tell(None)
        alone = [both.ask(**WAYS[way]) for way in PREDICTED]
        events = [event[Field.VERSION] for event in both.champion.served.spool.events]

    for answer, other, key in zip(answers, alone, PREDICTED.values(), strict=True):
        assert (answer.status, answer.headers[Header.MODEL_VERSION]) == (200, "v1")
        assert answer.json[key] == other.json[key]
    assert events == ["v1"] * 6


PREDICTED = {"express": "predictions", "chunked": "predictions", "infer": "outputs"}


def test_nobody_is_there(first: Laid, file: Path) -> None:
    """Where nobody listens the champion must answer, and after a few failures not even try for a moment."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    with pair(first, file, port) as both:
        versions = {both.ask(ROWS[0]).headers[Header.MODEL_VERSION] for _ in range(50)}
        requests = both.requests

    assert versions == {"v1"}
    assert sum(requests.values()) == 50
    assert requests["failed"] < 50
    assert requests["dropped"] > 0


def test_refusals_do_not_open_the_breaker(first: Laid, file: Path) -> None:
    """A challenger that refuses what the champion takes is well: it must be asked again each time."""
    with Rival(lambda _asked: reply(status=422)) as rival, pair(first, file, rival.port) as both:
        for _ in range(20):
            assert both.ask(ROWS[0]).status == 200
        assert both.requests == {"refused": 20}
        assert rival.connections == 1


def test_a_request_that_the_champion_refuses(first: Laid, file: Path) -> None:
    """When both refuse a request the client must get the champion's own words."""
    with Rival(lambda _asked: reply(status=422)) as rival, pair(first, file, rival.port) as both:
        answers = [both.ask({"age": "old"}), both.ask({"age": "old"}, chunked=True)]

    assert [answer.json["error"]["code"] for answer in answers] == ["SCHEMA_MISMATCH"] * 2


def test_it_comes_back(first: Laid, file: Path) -> None:
    """A challenger that was left alone must be asked again, and answer from then on."""
    with Rival(lambda _asked: reply(status=500)) as rival, pair(first, file, rival.port) as both:
        for _ in range(5):
            both.ask(ROWS[0])
        rival.behave = lambda _asked: reply(["back"])
        wait_for(lambda: both.ask(ROWS[0]).json["predictions"] == ["back"], what="its answer")
        assert both.ask(ROWS[0]).json["predictions"] == ["back"]


def test_a_connection_that_was_closed_meanwhile(first: Laid, file: Path) -> None:
    """A challenger that closes idle connections must be asked over a new one: that is no failure."""
    closing = reply(["yes"], headers={"connection": "close"})
    with Rival(lambda _asked: reply(["yes"])) as rival, pair(first, file, rival.port) as both:
        both.ask(ROWS[0])
        rival.behave = crash  # the connection that is open breaks with the next request, before anything is answered
        (before,) = (rival.connections,)

        def crash_once(asked: Asked) -> bytes:
            rival.behave = lambda _asked: closing
            return crash(asked)

        rival.behave = crash_once
        answers = [both.ask(ROWS[0]).json["predictions"] for _ in range(3)]
        assert both.requests == {"answered": 4}
        assert rival.connections > before

    assert answers == [["yes"]] * 3


def test_an_answer_in_pieces(first: Laid, file: Path) -> None:
    """An answer in chunks, behind one that says to wait, must be taken, and what comes unasked behind it end its connection."""
    body = b'{"predictions":["yes"]}'
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-model-version: v2\r\n"
    chunks = b"transfer-encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    with Rival(lambda _asked: head + chunks) as rival, pair(first, file, rival.port) as both:
        assert both.ask(ROWS[0]).body == body
        assert both.ask(ROWS[0]).body == body
        assert rival.connections == 1
        rival.behave = lambda _asked: head + chunks + reply(["evil"])
        assert both.ask(ROWS[0]).body == body
        assert both.ask(ROWS[0]).body == body
        assert rival.connections == 2


@pytest.mark.usefixtures("quick")
def test_too_many_at_once(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more requests than may be must wait for a challenger: the others are the champion's at once."""
    monkeypatch.setattr(challenger, "AT_ONCE", 2)
    monkeypatch.setattr(challenger, "MOST_SECONDS", 60.0)
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port) as both:
        waiting = [both.champion.connect() for _ in range(2)]
        for number, connection in enumerate(waiting, start=1):
            Pair(both.champion, file, connection).connection.sendall(raw(ROWS[0]))
            wait_for(lambda number=number: len(rival.asked) == number, what="the request")  # type: ignore[misc]
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        assert both.requests == {"dropped": 1}
        rival.release.set()
        assert [read_reply(connection).headers[Header.MODEL_VERSION] for connection in waiting] == ["v1", "v1"]
        for connection in waiting:
            connection.close()
        assert both.requests == {"dropped": 1, "failed": 2}


def raw(content: Any) -> bytes:
    body = json.dumps(content).encode()
    return b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def test_the_challenger_goes_while_it_is_asked(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no challenger any more, what waits for it must be answered by the champion, and no connection stay."""
    monkeypatch.setattr(challenger, "MOST_SECONDS", 60.0)
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port) as both, both.champion.connect() as connection:
        connection.sendall(raw(ROWS[0]))
        wait_for(lambda: rival.asked, what="the request")
        both.tell(None)
        assert read_reply(connection).headers[Header.MODEL_VERSION] == "v1"
        rival.release.set()
        wait_for(lambda: not rival.open, what="the end of its connection")


def test_copies_are_compared_row_by_row(first: Laid, second: Wired, file: Path) -> None:
    """Every row must be counted as the same or another, the clients' answers be the champion's, and the events of copies say so."""
    second.served.spool.events.clear()
    with pair(first, file, second.port, percent=0, shadow=True) as both:
        answers = [both.ask(row) for row in ROWS[:50]] + [both.ask({"rows": ROWS[50:]}, chunked=True)]
        wait_for(lambda: both.requests.get("answered") == len(answers), what="the comparisons")
        assert both.rows == {"same": len(ROWS) - FLIPPED, "different": FLIPPED}
        assert both.requests == {"answered": len(answers)}
        own = [event[Field.REQUEST_ID] for event in both.champion.served.spool.events]
    copied = second.served.spool.events

    assert {answer.headers[Header.MODEL_VERSION] for answer in answers} == {"v1"}
    assert sorted(own) == sorted(event[Field.REQUEST_ID] for event in copied)
    assert {(event[Field.VERSION], event[Field.ORIGIN]) for event in copied} == {("v2", Origin.SHADOW)}


@pytest.mark.parametrize("way", WAYS)
def test_copies_in_every_format(first: Laid, second: Wired, file: Path, way: str) -> None:
    """Requests in every format must be copied and compared."""
    with pair(first, file, second.port, percent=0, shadow=True) as both:
        assert both.ask(**WAYS[way]).status == 200
        wait_for(lambda: both.requests, what="the comparison")
        assert both.requests == {"answered": 1}
        assert sum(both.rows.values()) == (1_000 if way == "large" else 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_shadow(first: Laid, file: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to a copy, answers must be the champion's, and it be counted without a row."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(seconds=0.3))
    behave, result = FAULTS[fault]
    with Rival(behave) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        wait_for(lambda: both.requests, what="the end of the copy")
        assert both.requests == {result: 1}
        assert both.rows == {}


def bounded(**bounds: Any) -> Callable[..., None]:
    """The making of settings with these bounds of copies."""
    original: Any = challenger.Setting.__init__

    def made(self: challenger.Setting, *arguments: Any) -> None:
        original(self, *arguments, shadow.Bounds(**bounds))

    return made


def test_a_stalled_shadow_is_bounded(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While copies are not answered no more than may be must wait, the rest be dropped, and every client have its answer."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(waiting=5, at_once=2, seconds=60.0, burst=1_000))
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        answers = [both.ask(row) for row in ROWS]
        assert [answer.status for answer in answers] == [200] * len(ROWS)
        assert both.contest.shadow.waiting == 5
        wait_for(lambda: len(rival.asked) == 2, what="the copies that are sent")
        assert both.requests == {"dropped": len(ROWS) - 7}
        both.tell(None)
        assert both.requests["dropped"] == len(ROWS) - 2
        assert tasks(both.champion) == tasks_without(both.champion)


def tasks(server: Wired) -> int:
    """Tasks of the server's loop."""

    async def count() -> int:
        return len(asyncio.all_tasks()) - 1

    return asyncio.run_coroutine_threadsafe(count(), server.loop).result(60)


def tasks_without(server: Wired) -> int:
    """Those that a server has that never had a challenger: itself and its lifespan."""
    wait_for(lambda: tasks(server) <= 2, what="the end of the others")
    return tasks(server)


@pytest.mark.parametrize("bound", [{"waiting_bytes": 1_000}, {"copy_bytes": 100}, {"burst": 0}])
def test_every_bound_drops(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch, bound: dict[str, Any]) -> None:
    """Past each of its bounds a copy must be dropped and counted."""
    monkeypatch.setattr(challenger.Setting, "__init__", bounded(**bound))
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        answer = both.ask({"rows": ROWS})
        assert len(answer.json["predictions"]) == len(ROWS)
        assert both.requests == {"dropped": 1}
        assert not rival.asked


def test_errors_are_not_copied(first: Laid, file: Path) -> None:
    """What the champion refuses must not be copied."""
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        assert both.ask({"age": "old"}).status == 422
        assert both.ask(ROWS[0]).status == 200
        wait_for(lambda: both.requests, what="the copy")
        assert len(rival.asked) == 1


def test_a_copy_is_sent_after_the_answer(first: Laid, file: Path) -> None:
    """A copy must not leave before its client has the answer."""
    with Rival(lambda _asked: reply()) as rival, pair(first, file, rival.port, percent=0, shadow=True) as both:
        both.champion.watched.holding = True
        with both.champion.connect() as connection:
            connection.sendall(raw(ROWS[0]))
            wait_for(lambda: both.champion.watched.held, what="the answer")
            assert len(both.champion.served.spool.events) == 1
            both.champion.let_go()
            assert read_reply(connection).status == 200
        wait_for(lambda: rival.asked, what="the copy")
        assert rival.asked[0].headers[Header.ORIGIN] == Origin.SHADOW
        assert rival.asked[0].headers[Header.FORWARDED] == "shadow"


def test_a_stop_with_copies_in_the_queue(first: Laid, file: Path) -> None:
    """A service must end although copies wait, and although its challenger never answers."""
    with Rival(lambda _asked: None) as rival:
        with pair(first, file, rival.port, percent=0, shadow=True) as both:
            for row in ROWS[:20]:
                both.ask(row)
            wait_for(lambda: rival.asked, what="a copy")
            assert both.contest.shadow.waiting
        assert both.contest is None  # its thread has ended
        assert not rival.release.is_set()
        wait_for(lambda: not both.champion.open, what="its end")


def test_a_service_without_a_file(first: Laid) -> None:
    """Without the variable nothing must be looked at, and no metric of challengers be there."""
    with wired(first) as server, server.connect() as connection:
        both = Pair(server, Path(), connection)
        assert both.ask(ROWS[0]).status == 200
        assert both.contest is None
        assert server.served.app._challenge._timer is None
        assert both.requests == {}
