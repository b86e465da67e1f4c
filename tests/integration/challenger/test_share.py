"""A champion whose challenger answers a share of the requests, over real connections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlsandbox_serving.contract import Env, Field, Header, Metrics, Origin, Route, Traffic
from mlsandbox_serving.service.challenger_measures import Mode
from mlsandbox_serving.service.seal import Seal
from mlsandbox_serving.service.traffic import place_of
from support.contest import ROWS, WAYS, Pair, pair, write
from support.guarded import read_reply
from support.rival import KEY, Rival, reply
from support.served import Laid, fitted, lay, people
from support.waiting import wait_for
from support.wired import Wired, wired


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
            both.ask(WAYS["infer"]["content"], path="/v2/models/toy/versions/v1/infer"),
            both.ask(ROWS[0], headers=f"{Header.ORIGIN}: {Origin.EXAMPLE}\r\n"),
            both.ask(ROWS[0], headers=f"{Header.FORWARDED}: {Seal(KEY).sent('v1', Mode.SPLIT, 'r1')}\r\n{Header.REQUEST_ID}: r1\r\n"),
            both.ask({"request_id": "r1", "label": "no"}, path="/feedback"),
        ]
        assert both.requests == {}

    assert [answer.headers[Header.MODEL_VERSION] for answer in answers] == ["v1"] * 4


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


def test_who_is_the_champion_is_told(first: Laid, second: Wired, file: Path) -> None:
    """Metrics must say whether a version is the one that answers, also once that is another one; without a document nothing."""
    with pair(first, file, None) as both:
        assert both.counted(Metrics.MODEL_CHAMPION.name) == {(): 1}
        write(file, None, champion="v3")
        wait_for(lambda: not both.counted(Metrics.MODEL_CHAMPION.name), what="another champion")
    with second.connect() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert Metrics.MODEL_CHAMPION.name not in read_reply(connection).body.decode()


def test_only_the_champion_acts(first: Laid, second: Wired, file: Path) -> None:
    """A version that is not the champion must answer what it is asked itself."""
    with pair(first, file, second.port, champion="v3") as both:
        assert both.contest is None
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"


def with_keys(folder: Path) -> dict[str, str]:
    """A service that asks for a key."""
    keys = folder / "keys"
    keys.write_text("k" * 43 + "\n")
    keys.chmod(0o600)
    return {Env.API_KEYS_FILE: str(keys)}


def test_what_is_sent_on(first: Laid, file: Path, tmp_path: Path) -> None:
    """No key must be sent on, and nothing of a request without one."""
    with Rival(lambda _asked: reply(["yes"])) as rival, pair(first, file, rival.port, environ=with_keys(tmp_path)) as both:
        assert both.ask(ROWS[0]).status == 401
        assert not rival.asked
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        told = f"{Header.API_KEY}: {'k' * 43}\r\n{Header.TRACEPARENT}: {trace}\r\nx-other: 1\r\n{Header.REQUEST_ID}: r1\r\n"
        assert both.ask(ROWS[0], headers=told).json["predictions"] == ["yes"]
        bearer = f"{Header.AUTHORIZATION}: Bearer {'k' * 43}\r\n"
        assert both.ask(ROWS[0], headers=bearer).json["predictions"] == ["yes"]
        asked, other = rival.asked

    assert asked.line == "POST /predict HTTP/1.1"
    assert json.loads(asked.body) == ROWS[0]
    assert asked.headers.pop(Header.FORWARDED).startswith("split;")
    assert asked.headers == {
        "host": f"127.0.0.1:{rival.port}",
        "content-type": "application/json",
        "content-length": str(len(asked.body)),
        Header.TRACEPARENT: trace,
        Header.REQUEST_ID: "r1",
    }
    assert "k" * 43 not in str(other)


def test_the_challenger_knows_its_champion(first: Laid, file: Path, tmp_path: Path) -> None:
    """A challenger that asks for keys must answer its champion, and nobody else who only says to have sent something on."""
    frame = people()
    other = lay(tmp_path / "other", fitted(frame), frame, manifest={"version": "v2"})
    keys = with_keys(tmp_path)
    forged = Seal(b"o" * 43).sent("v2", Mode.SPLIT, "r1")
    elsewhere = Seal(KEY).sent("v3", Mode.SPLIT, "r1")
    another = Seal(KEY).sent("v2", Mode.SPLIT, "r2")
    asking = f"{Header.API_KEY}: {'k' * 43}\r\n"
    with (
        pair(other, tmp_path / "theirs" / "traffic.json", None, environ=keys) as theirs,
        pair(first, file, theirs.champion.port, environ=keys) as both,
    ):
        assert both.ask(ROWS[0], headers=asking).headers[Header.MODEL_VERSION] == "v2"
        for carried in ("split", "shadow", forged, elsewhere, another, "split;;", ";;;"):
            named = f"{Header.FORWARDED}: {carried}\r\n{Header.REQUEST_ID}: r1\r\n"
            assert theirs.ask(ROWS[0], headers=named).status == 401


def test_what_clients_cannot_say(first: Laid, second: Wired, file: Path) -> None:
    """A client must neither have its request counted as one that was sent on, nor logged as a copy, nor keep it from the challenger."""
    second.served.spool.events.clear()
    said = [f"{Header.FORWARDED}: {Mode.SPLIT}\r\n", f"{Header.FORWARDED}: {Mode.SHADOW}\r\n", f"{Header.ORIGIN}: {Origin.SHADOW}\r\n"]
    with pair(first, file, second.port) as both:
        answers = [both.ask(ROWS[0], headers=headers, chunked=chunked) for headers in said for chunked in (False, True)]
        counted = both.counted(Metrics.REQUESTS.name)

    assert [answer.headers[Header.MODEL_VERSION] for answer in answers] == ["v2"] * 6
    assert not any(Header.FORWARDED in answer.headers for answer in answers)
    assert counted["200", Route.PREDICT] == 6
    assert not any(Field.ORIGIN in event for event in second.served.spool.events)


def test_without_the_key_of_the_stack(first: Laid, second: Wired, file: Path) -> None:
    """Where versions could not know each other there must be no challenger."""
    with pair(first, file, second.port, environ={Env.TRAFFIC_KEY_FILE: ""}) as both:
        assert both.contest is None
        assert both.ask(ROWS[0]).headers[Header.MODEL_VERSION] == "v1"


def test_a_service_without_a_file(first: Laid) -> None:
    """Without the variable nothing must be looked at, and no metric of challengers be there."""
    with wired(first) as server, server.connect() as connection:
        both = Pair(server, Path(), connection)
        assert both.ask(ROWS[0]).status == 200
        assert both.contest is None
        assert server.served.app._challenge._timer is None
        assert both.requests == {}
