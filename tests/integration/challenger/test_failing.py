"""A challenger that fails: the champion answers, and nobody notices but the metrics."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest

from mlsandbox_serving.contract import Field, Header
from mlsandbox_serving.service import challenger
from support.contest import FAULTS, LARGE, PREDICTED, ROWS, WAYS, Pair, crash, pair, raw
from support.guarded import read_reply
from support.rival import PROOF, Asked, Rival, proven, reply
from support.served import Laid
from support.waiting import wait_for


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
    with Rival(lambda _asked: closing) as rival, pair(first, file, rival.port) as both:
        for number in range(1, 4):
            assert both.ask(ROWS[0]).json["predictions"] == ["yes"]
            assert rival.connections == number
        assert both.requests == {"answered": 3}


def test_a_request_is_sent_once(first: Laid, file: Path) -> None:
    """A request on whose connection nothing came back must be the champion's, and not be sent again: the challenger may have answered."""
    with Rival(lambda _asked: reply(["yes"])) as rival, pair(first, file, rival.port) as both:
        both.ask(ROWS[0])
        rival.behave = crash
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        assert len(rival.asked) == 2
        assert both.requests == {"answered": 1, "failed": 1}


def test_an_answer_to_another_request(first: Laid, file: Path) -> None:
    """What proves to be the answer to another request, even to one of the same id, must not be this one's, and end its connection."""
    given: list[bytes] = []

    def repeat(asked: Asked) -> bytes:
        given.append(proven(reply(["another's"]), asked))
        return given[0]

    with Rival(repeat) as rival, pair(first, file, rival.port) as both:
        versions = [both.ask(ROWS[0], headers=f"{Header.REQUEST_ID}: r1\r\n").headers[Header.MODEL_VERSION] for _ in range(3)]
        assert versions == ["v2", "v1", "v1"]
        assert both.requests == {"answered": 1, "failed": 2}
        assert rival.connections == 2


def test_what_nobody_asked_for(first: Laid, file: Path) -> None:
    """What comes on a connection while nothing is asked on it must end it."""
    with Rival(lambda _asked: reply(["yes"])) as rival, pair(first, file, rival.port) as both:
        both.ask(ROWS[0])
        assert rival.open == 1
        rival.push(reply(["evil"]))
        wait_for(lambda: not rival.open, what="the end of the connection")
        assert both.ask(ROWS[0]).json["predictions"] == ["yes"]


def test_all_answers_have_a_bound(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All answers that are being read may take so many bytes together: what is past that must be the champion's, and the room come back."""
    monkeypatch.setattr(challenger, "MOST_SECONDS", 60.0)
    monkeypatch.setattr(challenger, "MOST_HELD", 700_000)
    with Rival(lambda _asked: LARGE[:-3]) as rival, pair(first, file, rival.port) as both, both.champion.connect() as waiting:
        room = both.contest._link._room
        waiting.sendall(raw(ROWS[0]))
        wait_for(lambda: room.held > 400_000, what="the first answer")
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        assert both.requests == {"failed": 1}
        rival.push(b"   ")
        assert read_reply(waiting).headers[Header.MODEL_VERSION] == "v2"
        assert room.held == 0


def test_an_answer_in_pieces(first: Laid, file: Path) -> None:
    """An answer in chunks, behind one that says to wait, must be taken, and what comes unasked behind it end its connection."""
    body = b'{"predictions":["yes"]}'
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-model-version: v2\r\n" + PROOF
    chunks = b"transfer-encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    with Rival(lambda _asked: head + chunks) as rival, pair(first, file, rival.port) as both:
        assert both.ask(ROWS[0]).body == body
        assert both.ask(ROWS[0]).body == body
        assert rival.connections == 1
        rival.behave = lambda _asked: head + chunks + reply(["evil"])
        assert both.ask(ROWS[0]).body == body
        assert both.ask(ROWS[0]).body == body
        assert rival.connections == 2


def _was_asked(rival: Rival, times: int) -> bool:
    return len(rival.asked) == times


@pytest.mark.usefixtures("quick")
def test_too_many_at_once(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more requests than may be must wait for a challenger: the others are the champion's at once."""
    monkeypatch.setattr(challenger, "AT_ONCE", 2)
    monkeypatch.setattr(challenger, "MOST_SECONDS", 60.0)
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port) as both:
        waiting = [both.champion.connect() for _ in range(2)]
        for number, connection in enumerate(waiting, start=1):
            Pair(both.champion, file, connection).connection.sendall(raw(ROWS[0]))
            wait_for(partial(_was_asked, rival, number), what="the request")
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        assert both.requests == {"dropped": 1}
        rival.release.set()
        assert [read_reply(connection).headers[Header.MODEL_VERSION] for connection in waiting] == ["v1", "v1"]
        for connection in waiting:
            connection.close()
        assert both.requests == {"dropped": 1, "failed": 2}


def test_many_that_wait_open_the_breaker(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where requests find others waiting again and again, the challenger must be left alone before these are given up."""
    monkeypatch.setattr(challenger, "AT_ONCE", 1)
    monkeypatch.setattr(challenger, "MOST_SECONDS", 60.0)
    with Rival(lambda _asked: None) as rival, pair(first, file, rival.port) as both, both.champion.connect() as waiting:
        waiting.sendall(raw(ROWS[0]))
        wait_for(lambda: rival.asked, what="the request")
        for _ in range(3):
            both.ask(ROWS[0])
        assert both.contest._breaker.is_open
        rival.release.set()


def test_a_request_with_little_time_left(first: Laid, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests for which a challenger would have hardly any time must be the champion's, and say nothing about the challenger."""
    monkeypatch.setattr(challenger, "LEAST_SECONDS", 60.0)
    with Rival(lambda _asked: reply(["yes"])) as rival, pair(first, file, rival.port) as both:
        for _ in range(5):
            assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"
        assert both.requests == {"dropped": 5}
        assert not rival.asked
        assert not both.contest._breaker.is_open


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
