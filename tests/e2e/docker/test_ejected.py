"""Ejected parts, run as a plain user of Docker Compose does: by the commands of their README.md, without `sandbox`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.docker_stack import DockerSandbox, docker
from support.sandbox import get, post
from support.toys import free_ports
from support.waiting import wait_for


class Ejected:
    """A part in its folder, with ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = re.findall(r"^name: (\S+)$", self.text("compose.yaml"), re.MULTILINE)[0]
        names = re.findall(r"^(SANDBOX_\w+_PORT)=", self.text(".env.example"), re.MULTILINE)
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        (folder / ".env").write_text("".join(f"{name}={number}\n" for name, number in self.ports.items()))

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")

    def address(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[f'SANDBOX_{service.upper()}_PORT']}"

    def make_secrets(self) -> None:
        """By the commands that secrets/README.md has."""
        commands = re.findall(r"```\n(.*?)```", self.text("secrets/README.md"), re.DOTALL)[0]
        self._run(["sh", "-euc", commands])

    def compose(self, *args: str) -> str:
        """`docker compose ARGS` in the folder."""
        return self._run(["docker", "compose", *args])

    def states(self) -> dict[str, str]:
        """Health of each container, else its state."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {each["Service"]: each["Health"] or f"{each['State']} {each['ExitCode']}" for each in map(json.loads, lines)}

    def left(self) -> list[str]:
        """Whatever Docker has of it."""
        mine = ("--quiet", "--filter", f"label=com.docker.compose.project={self.name}")
        return [*docker("ps", "--all", *mine).split(), *docker("volume", "ls", *mine).split(), *docker("network", "ls", *mine).split()]

    def _run(self, command: Sequence[str]) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SANDBOX_", "COMPOSE_"))}
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def project(make_docker: Callable[..., DockerSandbox]) -> DockerSandbox:
    """The example with its images, and nothing of it running."""
    sandbox = make_docker("e2e-ejected")
    sandbox.run("pull", timeout=900).ok()
    return sandbox


@pytest.fixture
def eject(project: DockerSandbox, tmp_path: Path) -> Iterator[Callable[[str], Ejected]]:
    """Ejects a part into a folder elsewhere; at the end nothing of it is left."""
    made: list[Ejected] = []

    def ejecting(part: str) -> Ejected:
        folder = tmp_path / f"ejected {part} {uuid.uuid4().hex[:6]}"
        project.run("export", part, str(folder)).ok()
        made.append(Ejected(folder))
        return made[-1]

    yield ejecting
    for each in made:
        each.compose("down", "--volumes")
        assert not each.left()


def _found(url: str) -> Any:
    status, text = get(url)
    return json.loads(text) if status == 200 else None


def test_stack(eject: Callable[[str], Ejected], project: DockerSandbox, row: dict[str, object]) -> None:
    """The whole stack must come up by one command, answer as the model does, keep events, be scraped; `sandbox` must not know it."""
    stack = eject("compose")
    assert sorted((stack.folder / "config/drift/profiles/employment/v1").iterdir()), "what live rows are compared with"
    stack.make_secrets()

    stack.compose("up", "--detach", "--wait")

    states = stack.states()
    assert states.pop("elasticsearch-setup") == "exited 0"
    assert set(states.values()) == {"healthy"}
    status, answer, _ = post(f"{stack.address('api')}/predict", row)
    assert status == 200
    assert answer["predictions"]
    assert answer["version"] == "v1"
    up = f"{stack.address('prometheus')}/api/v1/query?query=up"
    wait_for(lambda: {each["value"][1] for each in _found(up)["data"]["result"]} == {"1"}, what="all targets up", every=0.5)
    searched = ["exec", "-T", "elasticsearch", "curl", "-s", "http://127.0.0.1:9200/sandbox-events-*/_search?size=100"]
    wait_for(lambda: answer["request_id"] in stack.compose(*searched), what="the event", every=0.5)
    assert not project.containers()
    assert project.status()["state"] == "stopped"


def test_grafana_and_prometheus(eject: Callable[[str], Ejected]) -> None:
    """Each must run alone, and Grafana ask the Prometheus that it is told of; nothing may listen on more than loopback."""
    prometheus, grafana = eject("prometheus"), eject("grafana")
    grafana.make_secrets()
    with (grafana.folder / ".env").open("a") as file:
        file.write(f"SANDBOX_PROMETHEUS_URL={prometheus.address('prometheus')}\n")

    prometheus.compose("up", "--detach", "--wait")
    grafana.compose("up", "--detach", "--wait")

    assert set(prometheus.states().values()) == set(grafana.states().values()) == {"healthy"}
    targets = f"{prometheus.address('prometheus')}/api/v1/targets"
    asked = wait_for(lambda: {each["labels"]["instance"] for each in _found(targets)["data"]["activeTargets"]}, what="targets", every=0.2)
    assert asked == {"api", "drift", "alertmanager", "grafana", "prometheus"}
    source = f"{grafana.address('grafana')}/api/datasources/uid/sandbox-prometheus/health"
    assert _found(source)["status"] == "OK"
    shown = {each["uid"] for each in _found(f"{grafana.address('grafana')}/api/search?type=dash-db")}
    assert shown == {"sandbox-overview", "sandbox-drift", "sandbox-runtime", "sandbox-pipeline"}
