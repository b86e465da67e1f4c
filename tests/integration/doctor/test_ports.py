"""The ports of a stack, as the machine has them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mlsandbox.doctor.base import Examined, Finding, Verdict
from mlsandbox.doctor.ports import PortsCheck


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a project, and a registry of the test's own."""
    monkeypatch.setenv("SANDBOX_STATE_DIR", str(tmp_path / "state"))
    project = tmp_path / "project"
    project.mkdir()
    return project


def _examine(root: Path, settings: str) -> list[Finding]:
    (root / "sandbox.toml").write_text(f'name = "churn"\n[models.churn]\npath = "model.onnx"\n{settings}')
    return list(PortsCheck().run(Examined(root)))


def test_a_new_stack_has_ports_for_all_that_it_shows(root: Path) -> None:
    """Before the first `up` the ports that it would choose must be told, by the settings."""
    full = _examine(root, '[stack]\nengine = "docker"\n')[0]
    embedded = _examine(root, '[stack]\nengine = "embedded"\n')[0]

    assert full.verdict is Verdict.OK
    assert all(name in full.message for name in ("api", "grafana", "prometheus", "alertmanager"))
    assert "grafana" not in embedded.message
    assert "api" in embedded.message


def test_a_pinned_port_that_is_taken(root: Path) -> None:
    """A pinned port that somebody listens on must be a problem that names the port and whose it is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        findings = _examine(root, f"[stack.ports]\ngrafana = {number}\n")

    assert [each.verdict for each in findings] == [Verdict.PROBLEM]
    assert f"grafana port {number} is taken by" in findings[0].message
    assert "--port auto" in (findings[0].remedy or "")
