"""Stand-ins that run for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from support.standins import StandIn, elasticsearch


@pytest.fixture
def node(tmp_path: Path) -> Iterator[StandIn]:
    """Elasticsearch's stand-in, up and empty."""
    standin = elasticsearch(tmp_path / "elasticsearch").start()
    yield standin
    standin.stop()


@pytest.fixture
def client(node: StandIn) -> Iterator[Elasticsearch]:
    """The official client, connected to it."""
    with Elasticsearch(f"http://127.0.0.1:{node.port}", max_retries=0) as connected:
        yield connected
