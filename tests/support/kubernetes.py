"""A stand-in for a cluster's API server, reached with the real kubectl, and what is exported to it."""

from __future__ import annotations

import contextlib
import functools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsandbox.actions.export_stack import ExportOptions, export_inputs
from mlsandbox.project import load_project
from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.export import build_export
from mlsandbox.render.kubernetes.facts import ExportFacts
from support.event_processes import free_port
from support.locked_environment import locked_python
from support.standins import StandIn

CONTEXT = "standin"
_DIGEST = "sha256:" + "a" * 64


@dataclass(frozen=True)
class Server:
    """A running stand-in."""

    port: int
    config: Path
    """kubectl's settings that lead to it."""

    def requests(self) -> list[str]:
        """What it was asked so far: "GET /version"."""
        return list(self._get("/standin/requests"))

    def namespaces(self) -> set[str]:
        """Those that are there and not about to go."""
        items = self._get("/api/v1/namespaces")["items"]
        return {each["metadata"]["name"] for each in items if "deletionTimestamp" not in each["metadata"]}

    def make_namespace(self, name: str, *, labels: dict[str, str], annotations: dict[str, str]) -> None:
        """A namespace that was there before."""
        metadata = {"name": name, "labels": labels, "annotations": annotations}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self._ask("/api/v1/namespaces", json.dumps(body).encode())

    def replace_namespace(self, name: str) -> None:
        """Another one of the same name, made by somebody else."""
        path = f"/api/v1/namespaces/{name}"
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method="DELETE"), timeout=30).close()
        with contextlib.suppress(urllib.error.HTTPError):
            while True:  # it goes as it is looked at
                self._get(path)
        self.make_namespace(name, labels={}, annotations={})

    def _get(self, path: str) -> Any:
        return self._ask(path, None)

    def _ask(self, path: str, body: bytes | None) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", body, timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Server]:
    """A stand-in with these settings (`kubernetes_standin.settings.Settings`)."""
    port = free_port()
    args = ("--port", str(port), "--settings", json.dumps(settings))
    standin = StandIn("kubernetes_standin", args, {}, port=port, path="/standin/requests", python=str(_python())).start()
    try:
        yield Server(port, write_config(folder / "kubeconfig", port))
    finally:
        standin.stop()


def write_config(file: Path, port: int) -> Path:
    """Settings of kubectl for an API server on this machine."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": CONTEXT, "user": {}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "current-context": CONTEXT,
    }
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


def export_of(root: Path, **options: Any) -> tuple[Export, ExportFacts]:
    """What a project exports, with made-up images."""
    project = load_project(root)
    options.setdefault("images", tuple(f"{name}=registry.example.com/team/{name}:v1@{_DIGEST}" for name in project.models))
    spec, facts = export_inputs(project, ExportOptions(**options))
    return build_export(spec, facts), facts


@functools.cache
def _python() -> Path:
    return locked_python("manifests", name="what judges manifests", imports=("kubernetes_validate",))
