"""Proxies of Docker's own settings, which Compose gives to every container that does not say otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.docker_rig import DockerRig

REFERENCE = Path(__file__).parents[3] / "compose/docker-compose.yml"
PROXY = "http://proxy.example:3128"


@pytest.fixture
def created(docker_rig: DockerRig, tmp_path: Path) -> Iterator[list[str]]:
    """Variables of a container as Compose makes it, on a machine whose Docker is set to a proxy; the container never runs."""
    settings = tmp_path / "docker"
    settings.mkdir()
    proxies = {"httpProxy": PROXY, "httpsProxy": PROXY, "allProxy": PROXY, "noProxy": "example.org"}
    (settings / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}), encoding="utf-8")
    rendered: dict[str, Any] = yaml.safe_load(REFERENCE.read_text("utf-8"))["services"]["alertmanager"]
    service = {"image": docker_rig.images["alertmanager"], "pull_policy": "never", "environment": rendered["environment"]}
    file = tmp_path / "compose.yaml"
    file.write_text(yaml.safe_dump({"name": f"proxies-{uuid.uuid4().hex[:8]}", "services": {"alertmanager": service}}), encoding="utf-8")

    def compose(*words: str) -> str:
        environ = {**os.environ, "DOCKER_CONFIG": str(settings)}
        command = ["docker", "compose", "-f", str(file), *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=120).stdout

    try:
        compose("create")
        container = compose("ps", "--all", "--quiet").strip()
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True, timeout=60).stdout
        yield json.loads(shown)[0]["Config"]["Env"]
    finally:
        compose("down", "--volumes")


def test_a_program_of_others_gets_no_proxy(created: list[str]) -> None:
    """What asks the stack alone, and its health check, must not be led to a proxy that knows nothing of the stack."""
    assert "NO_PROXY=example.org" in created  # Compose did give what it has
    assert [each for each in created if PROXY in each] == []
