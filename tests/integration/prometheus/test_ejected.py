"""The ejected Prometheus, as a plain user runs it: checked by promtool, started in its folder, asking what the stack had."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.eject import PARTS, write_part
from mlsandbox.actions.export_ejected import EjectOptions
from mlsandbox.actions.export_tree import plan_tree
from mlsandbox.project import load_project
from mlsandbox.stack.components.prometheus import RULES
from mlsandbox.state import State, save_state
from support.monitoring import ask, program
from support.sandbox import get
from support.toys import free_ports
from support.waiting import HANG_SECONDS, wait_for

SETTINGS = 'schema = 1\nname = "churn-demo"\n\n[models.churn]\npath = "churn/model.joblib"\n'
SERVICES = {"api", "shipper", "log-store", "drift"}


class Metrics(BaseHTTPRequestHandler):
    """A service that shows one metric."""

    def do_GET(self) -> None:
        body = b"# TYPE shown gauge\nshown 1\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@pytest.fixture
def asked() -> Iterator[dict[str, int]]:
    """The ports of services that show metrics, by service."""
    servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), Metrics) for name in SERVICES}
    threads = [threading.Thread(target=server.serve_forever) for server in servers.values()]
    for thread in threads:
        thread.start()
    yield {name: server.server_address[1] for name, server in servers.items()}
    for server, thread in zip(servers.values(), threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ejected(tmp_path: Path, asked: dict[str, int]) -> Path:
    """What is ejected of a project that remembers a stack of child processes, which listen there."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "sandbox.toml").write_text(SETTINGS)
    others = dict(zip(("fluentd", "drift-forward"), free_ports(2), strict=True))
    save_state(root / ".sandbox", State(engine="embedded", host="127.0.0.1", ports={**asked, **others}))
    folder = tmp_path / "Büro [Projekt] #2"
    part = PARTS["prometheus"](load_project(root, environ={}), EjectOptions())
    write_part(part, plan_tree(folder, part.files, kind=part.name))
    return folder


def test_promtool_accepts_it(request: pytest.FixtureRequest, ejected: Path) -> None:
    """All files that it reads must be there and correct."""
    promtool = program(request, "promtool")

    done = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"], cwd=ejected, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES) + 1} rule files found" in done.stdout


def test_it_runs_as_it_lies(request: pytest.FixtureRequest, ejected: Path, asked: dict[str, int]) -> None:
    """Started by the command of its README.md it must become ready, have every rule, and reach every service of the stack."""
    prometheus = program(request, "prometheus")
    (port,) = free_ports(1)
    command = re.search(
        r"^prometheus (--config\.file=\S+) --web\.listen-address=127\.0\.0\.1:9090$", (ejected / "README.md").read_text(), re.MULTILINE
    )
    assert command
    process = subprocess.Popen(
        [prometheus, command[1], f"--web.listen-address=127.0.0.1:{port}"],
        cwd=ejected,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _is_ready(port), what="a Prometheus that is ready")
        found = wait_for(lambda: _asked(port), what="answers of all services")
        groups = ask(port, "/api/v1/rules")["data"]["groups"]
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)

    assert {name: found[name]["scrapeUrl"] for name in SERVICES} == {name: f"http://127.0.0.1:{asked[name]}/metrics" for name in SERVICES}
    assert found["prometheus"]["scrapeUrl"] == "http://127.0.0.1:9090/metrics"
    assert found["api"]["labels"]["model"] == "churn"
    assert {Path(group["file"]).stem for group in groups} == {*RULES, "objectives"}


def _is_ready(port: int) -> bool:
    try:
        return get(f"http://127.0.0.1:{port}/-/ready")[0] == 200
    except OSError:
        return False


def _asked(port: int) -> dict[str, Any] | None:
    """All targets, once every service has been asked."""
    found = {each["labels"]["instance"]: each for each in ask(port, "/api/v1/targets")["data"]["activeTargets"]}
    up = {name for name, target in found.items() if target["health"] == "up"}
    return found if up >= SERVICES else None
