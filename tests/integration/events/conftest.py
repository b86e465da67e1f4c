"""Processes of the event pipeline, ended after each test whatever it left running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.event_processes import LogStore, Service, ShipperProcess


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Service]]:
    """The processes to end after the test."""
    services: list[Service] = []
    yield services
    for service in services:
        service.kill()


@pytest.fixture
def log_store(tmp_path: Path, started: list[Service]) -> LogStore:
    """A log store that is not started yet."""
    store = LogStore(tmp_path)
    started.append(store)
    return store


@pytest.fixture
def make_shipper(tmp_path: Path, started: list[Service]) -> Callable[..., ShipperProcess]:
    """Makes a shipper for the sinks given as name=port; it is not started yet."""

    def make(sinks: dict[str, int], **env: str) -> ShipperProcess:
        shipper = ShipperProcess(tmp_path, sinks, **env)
        started.append(shipper)
        return shipper

    return make
