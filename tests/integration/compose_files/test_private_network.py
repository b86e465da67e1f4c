"""The network that the stores are on, as Docker makes it of what is rendered."""

from __future__ import annotations

import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.docker_rig import DockerRig
from support.waiting import wait_for

REFERENCE = Path(__file__).parents[3] / "compose/docker-compose.yml"
INSIDE = "only for the stack"
SERVER = f"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{INSIDE}")
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


class Stack:
    """A store on the private network, and a service on both that is published."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def compose(self, *words: str) -> str:
        command = ["docker", "compose", "-f", str(self._file), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()

    def address(self, service: str) -> str:
        """On the private network."""
        shown = '{{range $name, $net := .NetworkSettings.Networks}}{{if eq $name "NETWORK"}}{{$net.IPAddress}}{{end}}{{end}}'
        shown = shown.replace("NETWORK", f"{yaml.safe_load(self._file.read_text())['name']}_back")
        command = ["docker", "inspect", "-f", shown, self.compose("ps", "--quiet", service)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture
def stack(docker_rig: DockerRig, tmp_path: Path) -> Iterator[Stack]:
    """Runs with the networks of the reference."""
    networks: dict[str, Any] = yaml.safe_load(REFERENCE.read_text("utf-8"))["networks"]
    for each in networks.values():
        each.pop("labels", None)
    image = {"image": docker_rig.images["python"], "pull_policy": "never", "command": ["python", "-c", SERVER], "init": True}
    services = {
        "store": {**image, "networks": ["back"]},
        "api": {**image, "networks": ["front", "back"], "ports": ["127.0.0.1::8000"]},
    }
    file = tmp_path / "compose.yaml"
    document = {"name": f"private-{uuid.uuid4().hex[:8]}", "services": services, "networks": networks}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    running = Stack(file)
    try:
        running.compose("up", "--detach")
        yield running
    finally:
        running.compose("down", "--timeout", "1")


def _ask(address: str) -> str:
    """What this machine is answered, whoever answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/", timeout=3) as answer:
            return str(answer.read().decode())
    except OSError as error:
        return str(error)


def test_this_machine_does_not_reach_the_stores(stack: Stack) -> None:
    """The stack's services must reach a store by its name, and this machine must not, even by its address; what is published it does."""
    published = stack.compose("port", "api", "8000")
    wait_for(lambda: _ask(published) == INSIDE, what="the published service answers")
    address = stack.address("store")

    assert stack.compose("exec", "-T", "api", "python", "-c", ASK, "http://store:8000/") == INSIDE
    assert address
    assert INSIDE not in _ask(f"{address}:8000")
