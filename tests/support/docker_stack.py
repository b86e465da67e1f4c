"""A project whose stack runs in containers, and ways to look at those and to hurt them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlsandbox.docker_host import OWNER, owner_of
from support.sandbox import Sandbox, get


def docker(*args: str, timeout: float = 120) -> str:
    """What `docker ARGS` wrote; a failure fails the test."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"docker {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class DockerSandbox(Sandbox):
    """A project on the docker engine."""

    def __post_init__(self) -> None:
        self.extra = {"SANDBOX_ENGINE": "docker", "SANDBOX_EXCLUDE": "", "SANDBOX_DRIFT_ENGINES": "native", **self.extra}

    @property
    def name(self) -> str:
        """Of the project, and so of the stack."""
        first = next(line for line in (self.root / "sandbox.toml").read_text().splitlines() if line.startswith("name"))
        return first.split('"')[1]

    def use_images(self, images: Mapping[str, str], name: str) -> None:
        """Have sandbox.toml name local images, and the project be called `name`."""
        path = self.root / "sandbox.toml"
        kept = [line for line in path.read_text().splitlines() if not line.startswith("name")]
        settings = [f'{key} = "{reference}"' for key, reference in images.items()]
        path.write_text("\n".join([f'name = "{name}"', *kept, "", "[stack.images]", *settings, ""]))

    def containers(self) -> dict[str, str]:
        """Id of each container of the stack, running or not, by service."""
        listed = docker(
            *("ps", "--all", "--no-trunc", "--filter", f"label=org.mlsandbox.root={self.root.resolve()}"),
            *("--format", '{{.Label "com.docker.compose.service"}} {{.ID}}'),
        )
        return dict(line.split() for line in listed.splitlines())

    def inspect(self, service: str) -> dict[str, Any]:
        """`docker inspect` of a service's container."""
        found: dict[str, Any] = json.loads(docker("inspect", self.containers()[service]))[0]
        return found

    def crash(self, service: str) -> None:
        """Kill a service's first process from outside, as the kernel does when memory is short."""
        os.kill(int(self.inspect(service)["State"]["Pid"]), signal.SIGKILL)

    def states(self) -> dict[str, str]:
        """State of each service, as `sandbox status` tells it."""
        return {service["name"]: service["state"] for service in self.status()["services"]}

    def link(self, name: str) -> str:
        """Where a service of the stack can be looked at."""
        return str(self.status()["links"][name])

    def events(self, *args: str) -> list[dict[str, Any]]:
        """Logged events."""
        lines = self.run("logs", "--requests", "-o", "jsonl", *args).ok().out.splitlines()
        return [json.loads(line) for line in lines]

    @property
    def prometheus(self) -> str:
        """Its address, from the state file: far quicker than asking `sandbox status`."""
        ports = json.loads((self.root / ".sandbox/state.json").read_text(encoding="utf-8"))["ports"]
        return f"http://127.0.0.1:{ports['prometheus']}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers to an instant query."""
        status, text = get(f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        assert status == 200, f"{expression}: {text}"
        found: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return found

    def left(self) -> dict[str, Sequence[str]]:
        """What Docker holds of this project, by kind; kinds without anything are left out."""
        by_project = ("--filter", f"label=com.docker.compose.project={self.name}", "--quiet")
        found = {
            "containers": docker("ps", "--all", *by_project).split(),
            "networks": docker("network", "ls", *by_project).split(),
            "volumes": docker("volume", "ls", *by_project).split(),
            "images": docker("image", "ls", "--quiet", "--filter", f"label={OWNER}={owner_of(self.root.resolve())}").split(),
        }
        return {kind: names for kind, names in found.items() if names}
