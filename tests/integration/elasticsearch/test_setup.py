"""What runs once per `up`: retention and templates are there before the first event."""

from __future__ import annotations

from pathlib import Path

import pytest
from elasticsearch import BadRequestError, Elasticsearch

from mlsandbox_serving import record
from mlsandbox_serving.contract import Env, Field
from support.elasticsearch_programs import set_up, store
from support.event_processes import free_port
from support.prediction_records import prediction_record
from support.standins import StandIn

IDENTITY = record.Identity("churn", "v1", "0" * 16)


def test_event_is_taken_and_found(url: str, client: Elasticsearch) -> None:
    """A real event must fit into its index, and be found by its fields."""
    assert set_up(url)[0] == 0
    event = prediction_record(
        IDENTITY,
        record.Facts("POST", "/predict", "r1", trace_id="t1"),
        {"age": [1, 2.5], "name": ["x", None]},
        ["yes", 1],
        [[0.1, 0.9], [0.5, 0.5]],
    )
    store(client, [event])

    hits = client.search(index="sandbox-events-*", query={"term": {Field.REQUEST_ID: "r1"}})["hits"]["hits"]

    assert [hit["_source"] for hit in hits] == [event]
    assert client.count(index="sandbox-events-*", query={"term": {f"{Field.INPUTS}.name": "x"}})["count"] == 1


def test_labels_of_any_kind_are_taken_and_found(url: str, client: Elasticsearch) -> None:
    """Labels are words and numbers: all must fit into one field, and be found under the request that they belong to."""
    assert set_up(url)[0] == 0
    values: list[str | float | bool] = ["yes", 1, 2.5, True]
    labels = [record.Label("r1", row, value) for row, value in enumerate(values)]
    events = record.feedback_events(IDENTITY, record.Facts("POST", "/feedback", "own id"), labels)
    store(client, events)

    hits = client.search(index="sandbox-events-*", query={"term": {Field.REQUEST_ID: "r1"}}, sort=Field.FEEDBACK_ROW)["hits"]["hits"]

    assert [hit["_source"] for hit in hits] == events
    assert client.count(index="sandbox-events-*", query={"term": {Field.FEEDBACK_LABEL: "yes"}})["count"] == 1


def test_wrong_type_is_refused(url: str, client: Elasticsearch) -> None:
    """A value that is not of its field's type must be refused, which makes it a dead letter."""
    set_up(url)

    with pytest.raises(BadRequestError, match=r"event\.duration"):
        client.index(index="sandbox-events-2026.01.01", id="1", document={Field.TIMESTAMP: "2026-01-01", Field.EVENT_DURATION: "soon"})


def test_unknown_fields_do_not_grow_the_mapping(url: str, client: Elasticsearch) -> None:
    """Whatever a document holds, the mapping must stay as it is."""
    set_up(url)
    client.index(index="sandbox-events-2026.01.01", id="1", document={Field.TIMESTAMP: "2026-01-01", "unknown": {"deep": 1}})

    mapping = client.indices.get_mapping(index="sandbox-events-2026.01.01")

    assert "unknown" not in str(mapping)


def test_twice_is_the_same(url: str, client: Elasticsearch) -> None:
    """A second run must change nothing but what is to be changed: the retention."""
    assert set_up(url, **{Env.LOG_RETENTION_SECONDS: "3600"})[0] == 0
    before = client.indices.get_index_template(name="sandbox-*").body
    assert set_up(url, **{Env.LOG_RETENTION_SECONDS: "7200"})[0] == 0

    assert client.indices.get_index_template(name="sandbox-*").body == before
    policy = client.ilm.get_lifecycle(name="sandbox-events").body["sandbox-events"]["policy"]
    assert policy["phases"]["delete"]["min_age"] == "93600s"


def test_says_what_it_did(url: str) -> None:
    """One line must say where events go and when they are deleted."""
    code, log = set_up(url, **{Env.LOG_RETENTION_SECONDS: "86400"})

    assert code == 0
    assert f"Elasticsearch at {url} takes events, and deletes them when they are 1.0 days old" in log


def test_waits_for_elasticsearch(server: StandIn, url: str) -> None:
    """It must wait for Elasticsearch instead of failing."""
    server.kill()
    server.start()

    assert set_up(url)[0] == 0


def test_address_in_a_file(url: str, tmp_path: Path) -> None:
    """The file must go before the variable; name and password must go to Elasticsearch, and into no log."""
    file = tmp_path / "url"
    file.write_text(f"{url.replace('//', '//elastic:hidden%40word@')}\n", encoding="utf-8")
    code, log = set_up("http://nobody.invalid:9200", **{Env.ELASTICSEARCH_URL_FILE: str(file)})

    assert code == 0
    assert url in log
    assert "hidden" not in log


def test_no_address() -> None:
    """Without a usable address it must fail at once, and say why."""
    code, log = set_up(f"ftp://127.0.0.1:{free_port()}")

    assert code == 1
    assert "is no address like http://elasticsearch:9200" in log
