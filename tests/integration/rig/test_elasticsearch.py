"""The official client must find Elasticsearch in its stand-in, and its refusals too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from elasticsearch import ApiError, BadRequestError, ConflictError, Elasticsearch, NotFoundError, helpers

from support.event_processes import get
from support.standins import StandIn, elasticsearch
from support.waiting import wait_for

DAY = "sandbox-events-2026.01.02"
MAPPING = {
    "dynamic": False,
    "properties": {
        "@timestamp": {"type": "date"},
        "event.id": {"type": "keyword"},
        "http.response.status_code": {"type": "long"},
        "message": {"type": "text"},
        "sandbox": {"properties": {"inputs": {"type": "flattened"}, "model": {"type": "keyword"}}},
    },
}


@pytest.fixture
def events(client: Elasticsearch) -> Elasticsearch:
    """A client of a node with the template and ten events, one each minute, of two models."""
    client.ilm.put_lifecycle(name="sandbox", policy={"phases": {"delete": {"min_age": "7d", "actions": {"delete": {}}}}})
    template = {"settings": {"number_of_replicas": 0, "index.lifecycle.name": "sandbox"}, "mappings": MAPPING}
    client.indices.put_index_template(name="sandbox-events", index_patterns=["sandbox-events-*"], priority=200, template=template)
    helpers.bulk(client, [{"_index": DAY, "_id": f"e{number}", "_source": _event(number)} for number in range(10)], refresh=True)
    return client


def _event(number: int) -> dict[str, Any]:
    return {
        "@timestamp": f"2026-01-02T10:0{number}:00.500Z",
        "event.id": f"e{number}",
        "http.response.status_code": 200 if number % 3 else 500,
        "message": f"Prediction number {number}",
        "sandbox.model": "churn" if number < 6 else "fraud",
        "sandbox.inputs": [{"age": number, "plan": "pro"}],
        "unmapped": number,
    }


def _ids(answer: Any) -> list[str]:
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def test_introduces_itself(client: Elasticsearch) -> None:
    """The client must accept the product, and the node must be of the major version that the client is for."""
    assert client.info()["version"]["number"].startswith("8.")
    assert client.cluster.health(wait_for_status="green", timeout="1s")["status"] == "green"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"match_all": {}}, "0123456789"),
        ({"term": {"event.id": "e3"}}, "3"),
        ({"terms": {"event.id": ["e3", "e4", "other"]}}, "34"),
        ({"term": {"sandbox.inputs.age": "7"}}, "7"),
        ({"term": {"http.response.status_code": 500}}, "0369"),
        ({"range": {"@timestamp": {"gte": "2026-01-02T10:08:00Z"}}}, "89"),
        ({"range": {"@timestamp": {"lt": "2026-01-02T10:00:00.500Z||+1m"}}}, "0"),
        ({"range": {"@timestamp": {"gte": "now-1h"}}}, ""),
        ({"match": {"message": "NUMBER 4"}}, "0123456789"),
        ({"match": {"message": {"query": "NUMBER 4", "operator": "and"}}}, "4"),
        ({"exists": {"field": "sandbox.inputs"}}, "0123456789"),
        ({"exists": {"field": "unmapped"}}, ""),
        ({"term": {"unmapped": 3}}, ""),
        ({"bool": {"filter": [{"term": {"sandbox.model": "churn"}}], "must_not": {"term": {"http.response.status_code": 500}}}}, "1245"),
        ({"bool": {"must": [{"prefix": {"event.id": "e"}}], "should": [{"term": {"event.id": "e1"}}], "minimum_should_match": 1}}, "1"),
    ],
)
def test_search(events: Elasticsearch, query: dict[str, Any], found: str) -> None:
    """A query must find what Elasticsearch finds: by type, by day, in flattened fields, and never in fields that are not mapped."""
    answer = events.search(index="sandbox-events-*", query=query, sort=[{"@timestamp": "asc"}], size=20)

    assert _ids(answer) == [f"e{number}" for number in found]
    assert answer["hits"]["total"] == {"value": len(found), "relation": "eq"}
    assert events.count(index="sandbox-events-*", query=query)["count"] == len(found)


def test_pages(events: Elasticsearch) -> None:
    """`search_after` must go through all documents, newest first, each once."""
    order = [{"@timestamp": "desc"}, {"event.id": "asc"}]
    page = events.search(index=DAY, sort=order, size=4)
    seen = _ids(page)
    while page["hits"]["hits"]:
        page = events.search(index=DAY, sort=order, size=4, search_after=page["hits"]["hits"][-1]["sort"])
        seen += _ids(page)

    assert seen == [f"e{number}" for number in reversed(range(10))]


def test_same_id_writes_over(events: Elasticsearch) -> None:
    """A second delivery of an event must leave one document; `create` must say that it is there."""
    again = events.index(index=DAY, id="e1", document=_event(1))

    assert (again["result"], again["_version"], events.count(index=DAY)["count"]) == ("updated", 2, 10)
    assert events.get(index=DAY, id="e1")["_source"] == _event(1)
    with pytest.raises(ConflictError):
        events.create(index=DAY, id="e1", document=_event(1))


def test_refused_documents(events: Elasticsearch) -> None:
    """A value of the wrong type must be refused alone, with its reason, among documents that are stored."""
    bad: tuple[dict[str, Any], ...] = (
        {"@timestamp": "yesterday"},
        {"http.response.status_code": "many"},
        {"sandbox.inputs": "no object"},
        {"event.id": {"a": 1}},
    )
    actions = [{"_index": DAY, "_id": f"bad{number}", "_source": {**_event(0), **one}} for number, one in enumerate(bad)]
    done, errors = helpers.bulk(events, [*actions, {"_index": DAY, "_id": "good", "_source": _event(0)}], raise_on_error=False)

    assert done == 1
    assert isinstance(errors, list)
    assert [(error["index"]["status"], error["index"]["error"]["type"]) for error in errors] == [(400, "document_parsing_exception")] * 4


def test_dynamic_strict(client: Elasticsearch) -> None:
    """A strict mapping must refuse unknown fields; without a mapping the first value decides the type."""
    client.indices.create(index="strict", mappings={"dynamic": "strict", "properties": {"known": {"type": "keyword"}}})
    client.index(index="strict", document={"known": "yes"})
    client.index(index="free", document={"count": 1, "name": "text"})

    with pytest.raises(BadRequestError, match="strict_dynamic_mapping_exception"):
        client.index(index="strict", document={"unknown": 1})
    with pytest.raises(BadRequestError, match="document_parsing_exception"):
        client.index(index="free", document={"count": "many"})
    assert client.indices.get_mapping(index="free")["free"]["mappings"]["properties"]["name"]["type"] == "text"


@pytest.mark.parametrize(
    "request_body",
    [
        {"query": {"no_such_query": {}}},
        {"query": {"term": {"a": 1, "b": 2}}},
        {"sort": [{"no_such_field": "asc"}]},
        {"sort": [{"message": "asc"}]},
        {"size": 10_001},
        {"no_such_key": 1},
    ],
)
def test_refused_searches(events: Elasticsearch, request_body: dict[str, Any]) -> None:
    """A search that Elasticsearch refuses must be refused, so that no test passes on one."""
    with pytest.raises(BadRequestError):
        events.perform_request(
            "POST", f"/{DAY}/_search", body=request_body, headers={"accept": "application/json", "content-type": "application/json"}
        )


def test_missing_index(client: Elasticsearch) -> None:
    """A named index must exist; a pattern may fit none."""
    with pytest.raises(NotFoundError):
        client.count(index="nothing")
    assert client.count(index="nothing-*")["count"] == 0
    assert not client.indices.exists(index="nothing")


def test_two_templates_of_one_priority(events: Elasticsearch) -> None:
    """A second template of the same patterns and priority must be refused, as it would be chosen at random."""
    with pytest.raises(BadRequestError):
        events.indices.put_index_template(name="other", index_patterns=["sandbox-events-*"], priority=200, template={})
    given = events.indices.get_index_template(name="sandbox-events")["index_templates"][0]["index_template"]
    assert given["template"]["settings"]["index"] == {"number_of_replicas": "0", "lifecycle": {"name": "sandbox"}}


def test_newer_client_is_refused(node: StandIn) -> None:
    """A client of the next major version must be refused, as the real server does."""
    with Elasticsearch(f"http://127.0.0.1:{node.port}") as client, pytest.raises(ApiError) as refused:
        client.perform_request("GET", "/", headers={"accept": "application/vnd.elasticsearch+json; compatible-with=9"})
    assert refused.value.meta.status == 400


def test_kill_loses_nothing(tmp_path: Path) -> None:
    """What was acknowledged must be there after the process was killed and started again on its folder."""
    node = elasticsearch(tmp_path / "data").start()
    with Elasticsearch(f"http://127.0.0.1:{node.port}") as client:
        client.indices.put_index_template(name="t", index_patterns=["a*"], template={"mappings": MAPPING})
        client.index(index="a1", id="one", document={"event.id": "one"})
        node.kill()
        node.start()

        assert client.get(index="a1", id="one")["_source"] == {"event.id": "one"}
        assert client.indices.get_index_template(name="t")
        client.indices.delete(index="a1")
        assert not client.indices.exists(index="a1")
    assert node.stop() == 0


def test_statistics(events: Elasticsearch, node: StandIn) -> None:
    """Health and statistics must count what is stored."""
    assert events.indices.stats()["_all"]["primaries"]["docs"]["count"] == 10
    assert next(iter(events.nodes.stats()["nodes"].values()))["indices"]["indexing"]["index_total"] == 10
    wait_for(lambda: get(node.port, "/_cluster/health")[0] == 200, what="health by plain HTTP")
