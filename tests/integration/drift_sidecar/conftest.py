"""Drift services, ended after each test whatever it left running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.drift_service import DriftService
from support.event_processes import Service, ShipperProcess


@pytest.fixture
def started() -> Iterator[list[Service]]:
    """The processes to end after the test."""
    services: list[Service] = []
    yield services
    for service in services:
        service.kill()


@pytest.fixture
def make_drift(tmp_path: Path, started: list[Service]) -> Callable[..., DriftService]:
    """Makes a drift service in a folder of this name; it is not started yet."""

    def make(name: str = "one", **settings: object) -> DriftService:
        service = DriftService(tmp_path / name, **settings)  # type: ignore[arg-type]  # as DriftService takes them
        started.append(service)
        return service

    return make


@pytest.fixture
def make_shipper(tmp_path: Path, started: list[Service]) -> Callable[..., ShipperProcess]:
    """Makes a shipper to a drift service; it is not started yet."""

    def make(drift: DriftService, **env: str) -> ShipperProcess:
        shipper = ShipperProcess(tmp_path, {"drift": drift.forward_port}, **env)
        started.append(shipper)
        return shipper

    return make
