"""The queries of the dashboards, asked of a Prometheus that scrapes a running stack."""

from __future__ import annotations

from functools import partial

from support.dashboards import PanelQuery, panel_queries
from support.monitoring import ask
from support.waiting import wait_for

from .conftest import Watched


def test_every_query_is_answered(watched: Watched) -> None:
    """Prometheus must take each query, whether or not there is anything to answer yet."""
    assert all(_series(watched, query) >= 0 for query in panel_queries())


def test_queries_find_what_there_is(watched: Watched) -> None:
    """Each query that needs nothing but a model that was asked must have an answer."""
    for query in panel_queries():
        if query.needs == "traffic":
            wait_for(partial(_series, watched, query), every=0.5, what=str(query))


def _series(watched: Watched, query: PanelQuery) -> int:
    """How many series the answer has."""
    answer = ask(watched.ports["prometheus"], "/api/v1/query", query=query.expr)
    assert answer["status"] == "success", query
    return 1 if answer["data"]["resultType"] == "scalar" else len(answer["data"]["result"])
