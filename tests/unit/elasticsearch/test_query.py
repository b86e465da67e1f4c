"""Searches for events, as Elasticsearch takes them."""

from __future__ import annotations

import pytest

from mlsandbox_serving.contract import Field
from mlsandbox_serving.elasticsearch.query import is_since, matching, page, stored_after
from mlsandbox_serving.finding import Conditions


def test_everything() -> None:
    """Without conditions every event must be found."""
    assert matching(Conditions()) == {"match_all": {}}


def test_all_conditions_hold() -> None:
    """Each condition must be a filter of its own."""
    query = matching(Conditions(requests=True, errors=True, request_id="r1", level="error", since=1.5))

    assert len(query["bool"]["filter"]) == 5
    assert {"term": {"http.request.id": "r1"}} in query["bool"]["filter"]
    assert {"range": {"@timestamp": {"gte": 1499, "format": "epoch_millis"}}} in query["bool"]["filter"]


def test_pages_go_on() -> None:
    """The next page must begin behind the last event of this one, in the same order."""
    body = page({"match_all": {}}, size=10, newest_first=True, after=[5, "a"])

    assert body["search_after"] == [5, "a"]
    assert [next(iter(each)) for each in body["sort"]] == [Field.TIMESTAMP, Field.EVENT_ID]
    assert {how["order"] for each in body["sort"] for how in each.values()} == {"desc"}


def test_new_indices_are_followed() -> None:
    """After the marks comes what is numbered behind them, and all of the indices that are new."""
    _, choice = stored_after({"match_all": {}}, {"sandbox-events-2026.01.01": 7})["bool"]["filter"]

    known, new = choice["bool"]["should"]
    assert {"range": {"_seq_no": {"gt": 7}}} in known["bool"]["filter"]
    assert new == {"bool": {"must_not": [{"terms": {"_index": ["sandbox-events-2026.01.01"]}}]}}


@pytest.mark.parametrize(
    ("timestamp", "since", "expected"),
    [
        ("2026-01-01T00:00:00.000600Z", 1767225600.0005, True),
        ("2026-01-01T00:00:00.000400Z", 1767225600.0005, False),
        ("2026-01-01T00:00:00.000400Z", None, True),
        ("soon", 1767225600.0, True),
        ("9999-12-31T23:59:59", 1767225600.0, True),
        ("0001-01-01T00:00:00", 1767225600.0, True),
    ],
)
def test_since(timestamp: str, since: float | None, expected: bool) -> None:  # noqa: FBT001 - a table
    """`since` must hold to the microsecond."""
    assert is_since({Field.TIMESTAMP: timestamp}, since) is expected
