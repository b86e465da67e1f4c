"""Whether models in a cluster answer, are measured and are logged as here: asked through their Services, by way of the API server."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mlsandbox.actions.prove_compare import MODEL_METRICS, differing_rows, field_faults, metric_faults, served_digest, shown_metrics
from mlsandbox.actions.prove_ready import Values
from mlsandbox.actions.prove_result import Finding, ProvedModel, ProveResult, Step
from mlsandbox.actions.prove_space import POLL_SECONDS
from mlsandbox.actions.smoke import own_example
from mlsandbox.endpoint import request_of
from mlsandbox.kubernetes_api import Cluster, Deadline, Reply
from mlsandbox.packaging.package import Package, list_packages
from mlsandbox.render.kubernetes.bundle import Manifest
from mlsandbox.render.kubernetes.facts import CHALLENGER
from mlsandbox.render.kubernetes.model import SERVER
from mlsandbox.render.kubernetes.names import COMPONENT
from mlsandbox.stack.components import elasticsearch
from mlsandbox.stack.components.model import API_KEYS
from mlsandbox_serving.contract import Field, Header, Index, Origin, PackageFile, Route

_SERVERS: Final = frozenset({SERVER, CHALLENGER})
_HTTP: Final = "http"
_EVENT_SECONDS: Final = 120.0
"""From an answer until its event can be found: spool, Fluentd's buffer, Elasticsearch's refresh."""


def prove_answers(cluster: Cluster, objects: Sequence[Manifest], *, root: Path, values: Values, result: ProveResult) -> None:
    """Ask each model that was applied.

    Args:
        cluster: where.
        objects: what was applied.
        root: the project, whose packages hold the golden rows.
        values: of the Secrets that were made; an API key may be among them.
        result: gets what was seen.
    """
    for service in objects:
        if service["kind"] == "Service" and service["metadata"].get("labels", {}).get(COMPONENT) in _SERVERS:
            _Asked(cluster, service, values, result).prove(root, objects)


class _Asked:
    """One model's Service."""

    def __init__(self, cluster: Cluster, service: Manifest, values: Values, result: ProveResult) -> None:
        self._cluster = cluster
        self._result = result
        self._name = str(service["metadata"]["name"])
        ports = service["spec"]["ports"]
        self._port = next((each["port"] for each in ports if each.get("name") == _HTTP), ports[0]["port"])
        key = values.get(API_KEYS.name, {}).get(API_KEYS.name)
        self._keyed = {} if key is None else {Header.API_KEY: key}

    def prove(self, root: Path, objects: Sequence[Manifest]) -> None:
        """Golden rows, metrics, and the event of a request."""
        model, version = self._name, None
        ready = self._ask("GET", Route.READY)
        if ready.ok and isinstance(ready.body, dict):
            model, version = str(ready.body.get("model", model)), ready.body.get("version")
        else:
            self._find(Step.GOLDEN, f"{Route.READY} answers {ready.status}: {ready.message}")
        before = self._ask("GET", Route.METRICS)
        package = _package(root, model, served_digest(before.text) if before.ok else None)
        rows, differing, request = self._golden(model, package)
        metrics = self._metrics()
        fields = self._event(model, request, objects)
        self._result.models.append(ProvedModel(model, version, rows, differing, metrics, fields))

    def _golden(self, model: str, package: Package | None) -> tuple[int | None, int, str | None]:
        """How many golden rows were compared, how many of them differ, and the id of a request that was answered."""
        if package is None:
            self._result.left_out.append(f"answers of {model}: the package that its image holds is not in this project")
            return None, 0, None
        golden, example = _golden_of(package), own_example(package)
        if golden is None:
            self._result.left_out.append(f"golden rows of {model}: its package has none")
        elif not golden.get("tolerance"):
            self._result.left_out.append(f"golden rows of {model}: its package does not say how far a float may be off")
            golden = None
        if golden is None and example is None:
            self._result.left_out.append(f"answers of {model}: its package has no example either")
            return None, 0, None
        request = f"prove-{uuid.uuid4().hex}"
        body: Mapping[str, Any] = {"columns": golden["columns"]} if golden is not None else request_of(example or {})
        answer = self._ask("POST", Route.PREDICT, body, {Header.REQUEST_ID: request, Header.ORIGIN: Origin.EXAMPLE})
        if not answer.ok or not isinstance(answer.body, dict):
            self._find(Step.GOLDEN, f"{Route.PREDICT} answers {answer.status}: {answer.message}")
            return None, 0, None
        if golden is None:
            return None, 0, request
        count = len(golden["predictions"])
        rows, told = differing_rows(golden, answer.body)
        if rows:
            self._find(Step.GOLDEN, f"{len(rows)} of {count} golden rows are not answered as in {package.tag}: {'; '.join(told)}")
        return count, len(rows), answer.headers.get(Header.REQUEST_ID, request)

    def _metrics(self) -> int | None:
        shown = self._ask("GET", Route.METRICS)
        if not shown.ok:
            self._find(Step.METRICS, f"{Route.METRICS} answers {shown.status}: {shown.message}")
            return None
        for each in metric_faults(shown.text, MODEL_METRICS):
            self._find(Step.METRICS, each)
        return len(shown_metrics(shown.text))

    def _event(self, model: str, request: str | None, objects: Sequence[Manifest]) -> int | None:
        """How many fields the event of a request has; None where no request was answered, or no Elasticsearch was applied."""
        store = next((each for each in objects if each["kind"] == "Service" and each["metadata"]["name"] == elasticsearch.NAME), None)
        if store is None or request is None:
            why = "no Elasticsearch was applied that would have them" if store is None else "no request was answered that could have one"
            self._result.left_out.append(f"events of {model}: {why}")
            return None
        query = {"query": {"term": {Field.REQUEST_ID: request}}, "size": 1}
        where = f"{self._way(elasticsearch.NAME, store['spec']['ports'][0]['port'])}/{Index.EVENTS}-*/_search"
        patience = Deadline(min(_EVENT_SECONDS, self._cluster.deadline.left * 0.9))
        last = "nothing was found"
        while not patience.over:
            reply = self._cluster.ask("POST", where, query)
            hits = reply.body.get("hits", {}).get("hits", []) if reply.ok and isinstance(reply.body, dict) else []
            if hits:
                fields = hits[0]["_source"]
                for each in field_faults(fields):
                    self._find(Step.EVENTS, f"the event of request {request}: {each}")
                return len(fields)
            last = last if reply.ok else f"{reply.status}: {reply.message}"
            time.sleep(POLL_SECONDS)
        self._find(Step.EVENTS, f"the event of request {request} is not in Elasticsearch after {patience.seconds:.0f} s: {last}")
        return None

    def _ask(self, method: str, route: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        return self._cluster.ask(method, f"{self._way(self._name, self._port)}{route}", body, headers={**self._keyed, **(headers or {})})

    def _way(self, name: str, port: int) -> str:
        return f"/api/v1/namespaces/{self._result.namespace}/services/http:{name}:{port}/proxy"

    def _find(self, step: Step, message: str) -> None:
        self._result.findings.append(Finding(step, f"Service {self._name}", message))


def _package(root: Path, model: str, digest: str | None) -> Package | None:
    """The package that is served, when it is in the project."""
    return next((each for each in list_packages(root, model) if each.digest == digest), None)


def _golden_of(package: Package) -> dict[str, Any] | None:
    file = package.source / PackageFile.GOLDEN
    golden: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return golden
