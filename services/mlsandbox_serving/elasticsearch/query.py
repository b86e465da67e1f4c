"""Searches for events as Elasticsearch takes them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from mlsandbox_serving.contract import Dataset, Field, LogTable
from mlsandbox_serving.finding import Conditions

_NANOSECONDS: Final = 10**9
_WORDS: Final = {"warning": ("warn",), "critical": ("fatal",), "debug": ("trace",)}
"""What others call a level; see `log_store.row`, which does the same for the embedded log store."""


def matching(wanted: Conditions) -> dict[str, Any]:
    """The query for the conditions; of `since` it is sure to find all, and `is_since` tells which are."""
    clauses: list[dict[str, Any]] = []
    if wanted.requests:
        clauses.append({"terms": {Field.EVENT_DATASET: [Dataset.PREDICTION, Dataset.ERROR]}})
    clauses += [{"term": {Field.EVENT_DATASET: name}} for name in wanted.datasets]
    if wanted.request_id is not None:
        clauses.append({"term": {Field.REQUEST_ID: wanted.request_id}})
    clauses += [{"term": {Field.MODEL: wanted.model}}] if wanted.model is not None else []
    clauses += [{"term": {Field.VERSION: wanted.version}}] if wanted.version is not None else []
    if wanted.level is not None:
        clauses.append(_at_least(wanted.level))
    if wanted.since is not None:
        clauses.append({"range": {Field.TIMESTAMP: {"gte": int(wanted.since * 1000) - 1, "format": "epoch_millis"}}})
    return {"bool": {"filter": clauses}} if clauses else {"match_all": {}}


def stored_after(query: Mapping[str, Any], marks: Mapping[str, int]) -> dict[str, Any]:
    """What matches a query and was stored after the marks: a sequence number for each index, and all of the indices without one."""
    newer: list[dict[str, Any]] = [
        {"bool": {"filter": [{"term": {"_index": index}}, {"range": {"_seq_no": {"gt": mark}}}]}} for index, mark in sorted(marks.items())
    ]
    other = {"bool": {"must_not": [{"terms": {"_index": sorted(marks)}}]}}
    return {"bool": {"filter": [query, {"bool": {"should": [*newer, other], "minimum_should_match": 1}}]}}


def page(query: Mapping[str, Any], *, size: int, newest_first: bool, after: list[Any] | None = None) -> dict[str, Any]:
    """The body of one search: a page of events in the order of their time.

    Args:
        query: what is searched.
        size: how many events.
        newest_first: the order.
        after: `sort` of the last event of the page before.
    """
    order = "desc" if newest_first else "asc"
    body: dict[str, Any] = {
        "query": query,
        "size": size,
        "sort": [
            {Field.TIMESTAMP: {"order": order, "unmapped_type": "date"}},
            {Field.EVENT_ID: {"order": order, "unmapped_type": "keyword"}},
        ],
        "track_total_hits": False,
        "seq_no_primary_term": True,
    }
    return body if after is None else {**body, "search_after": after}


def newest_mark(index: str) -> tuple[str, dict[str, Any]]:
    """Path and body of the search for what was stored last in one index."""
    return f"/{index}/_search", {
        "size": 1,
        "sort": [{"_seq_no": "desc"}],
        "_source": False,
        "track_total_hits": False,
        "seq_no_primary_term": True,
    }


def is_since(event: Mapping[str, Any], since: float | None) -> bool:
    """Whether an event is not older than that, to the microsecond: Elasticsearch compares milliseconds."""
    if since is None:
        return True
    try:
        instant = datetime.fromisoformat(str(event.get(Field.TIMESTAMP)))
        seconds = int(instant.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError):  # at the ends of the calendar a time without a zone has no seconds
        return True
    return seconds * _NANOSECONDS + instant.microsecond * 1_000 >= int(since * _NANOSECONDS)


def _at_least(level: str) -> dict[str, Any]:
    """This level or a more severe one; an event without one is an error when it tells of a failure, else it is for information."""
    levels = LogTable.LEVELS[LogTable.LEVELS.index(level) :]
    known = {"terms": {Field.LEVEL: _spelled(LogTable.LEVELS)}}
    failed = {
        "bool": {
            "should": [{"term": {Field.EVENT_DATASET: Dataset.ERROR}}, {"term": {Field.EVENT_OUTCOME: "failure"}}],
            "minimum_should_match": 1,
        }
    }
    ways: list[dict[str, Any]] = [{"terms": {Field.LEVEL: _spelled(levels)}}]
    if "info" in levels:
        ways.append({"bool": {"must_not": [known]}})
    elif "error" in levels:
        ways.append({"bool": {"filter": [failed], "must_not": [known]}})
    return {"bool": {"should": ways, "minimum_should_match": 1}}


def _spelled(levels: tuple[str, ...]) -> list[str]:
    words = [word for level in levels for word in (level, *_WORDS.get(level, ()))]
    return [spelling for word in words for spelling in (word, word.upper(), word.capitalize())]
