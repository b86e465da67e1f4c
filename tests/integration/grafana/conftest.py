"""A stack of child processes with a real Prometheus, and a stand-in for Grafana that reads what Grafana would read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlsandbox.engines.base import Result
from mlsandbox.engines.embedded import EmbeddedEngine
from mlsandbox.stack import parts
from mlsandbox.stack.components.grafana import PASSWORD
from support.leaks import assert_nothing_left
from support.monitoring import PARTS, monitored, program
from support.repository import ROOT
from support.waiting import HANG_SECONDS

STAND_INS = ROOT / "tests" / "rig" / "standins"


@dataclass(frozen=True)
class Watched:
    """A running stack."""

    root: Path
    ports: dict[str, int]
    argv: str
    """How Grafana was started."""

    @property
    def grafana(self) -> int:
        """Its port."""
        return self.ports[parts.GRAFANA]

    @property
    def password_file(self) -> Path:
        """Of Grafana's admin."""
        return self.root / ".sandbox" / "secrets" / PASSWORD.name


@pytest.fixture(scope="package")
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A stack that runs; what Grafana was started with is kept beside it."""
    root = tmp_path_factory.mktemp("a stack")
    programs = {
        parts.PROMETHEUS: program(request, "prometheus"),
        parts.ALERTMANAGER: program(request, "alertmanager", "prometheus-alertmanager"),
        parts.GRAFANA: _stand_in(root),
    }
    desired = monitored(root, programs, PARTS | {parts.GRAFANA})
    engine = EmbeddedEngine(root)
    try:
        outcome = engine.apply(engine.plan(desired, engine.observe()), lambda _change: None, timeout=HANG_SECONDS)
        assert outcome.result is Result.READY, outcome
        ports = {port.name: port.number for service in desired.spec.services for port in service.ports}
        yield Watched(root, ports, (root / "argv").read_text(encoding="utf-8"))
    finally:
        engine.apply(engine.plan_stop(None, engine.observe()), lambda _change: None, timeout=HANG_SECONDS)
    assert_nothing_left(root, list(ports.values()))


def _stand_in(root: Path) -> Path:
    """A program called grafana."""
    script = root / "bin" / "grafana"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\necho "$@" > "{root}/argv"\nexport PYTHONPATH="{STAND_INS}"\nexec "{sys.executable}" -m grafana_standin "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return script
