"""Elasticsearch's stand-in, up and empty, and its official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from support.standins import StandIn, elasticsearch


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    """A running node."""
    node = elasticsearch(tmp_path / "data").start()
    yield node
    node.kill()


@pytest.fixture
def url(server: StandIn) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def client(url: str) -> Iterator[Elasticsearch]:
    """The official client."""
    with Elasticsearch(url) as made:
        yield made
