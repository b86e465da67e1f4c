"""What the running model services use, for the requests and limits of their pods; kept in the folder of the export for the next one."""

from __future__ import annotations

import http.client
import itertools
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from mlsandbox.actions.export_tree import refuse_beside, write_beside
from mlsandbox.actions.measured_file import FILE, KEYS, measured_text
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.sight import look
from mlsandbox.errors import NotRunning
from mlsandbox.project import Project
from mlsandbox.render.kubernetes.facts import Measured
from mlsandbox.stack.components.base import suffixed
from mlsandbox_serving.contract import Port, Route

SECONDS: Final = 10.0
"""How long a stack without Prometheus is looked at."""
_EVERY: Final = 1.0
_TIMEOUT: Final = 3.0
_LARGEST_ANSWER: Final = 4 * 1024 * 1024
_MEMORY, _CPU = "process_resident_memory_bytes", "process_cpu_seconds_total"
_MIB: Final = 1024**2
_REQUESTS, _ROUTES = "sandbox_requests_total", "/predict|/v2/.+/infer"
_ENOUGH: Final = 100
"""Predictions: with fewer of them what is measured is a model that waits."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model service was seen to do."""

    used: Measured
    requests: int
    """Predictions that it answered in that time."""
    over: str
    """The time, in words."""


def measure(project: Project, folder: Path | None, report: Report, *, seconds: float = SECONDS) -> Mapping[str, Measured]:
    """Look at the running stack, and keep what is seen in the export's folder.

    Args:
        project: its settings.
        folder: of the export; None: nothing is kept.
        report: told what takes time.
        seconds: how long to look where no Prometheus remembers.

    Raises:
        ExportFolderTaken, FolderLinked: the folder, or the file in it, is somebody else's.
        NotRunning: the stack does not run, or a model of it does not answer.
    """
    if folder is not None:
        refuse_beside(folder, FILE, KEYS, kind="k8s")
    began = time.monotonic()
    sight = look(project.root, memory=True)
    models, endpoints = tuple(project.models), sight.endpoints
    silent = [name for name in models if suffixed(Port.API, models, name) not in endpoints]
    if silent:
        raise NotRunning(
            f"there is nothing to measure: {', '.join(silent)} is not running",
            why="What pods ask for is taken from what the model services of the running stack use.",
            fix="start it, have it asked for predictions, then measure: sandbox up",
        )
    held = {each.name: each.memory_bytes or 0 for each in sight.services}
    history = sight.links.get(Port.PROMETHEUS.value)
    report.step("Measuring what the model services use")
    found: dict[str, Seen] = {}
    for name in models:
        front = suffixed(Port.API, models, name)
        answering = sight.answering(front)
        service = answering.name if answering else front
        past = _remembered(history, name, service) if history else None
        seen = past or _watched(endpoints[front], seconds)
        used = _rounded(max(seen.used.memory_bytes, held.get(service, 0)), seen.used.cpus)
        found[name] = replace(seen, used=used)
    numbers = {name: seen.used for name, seen in found.items()}
    if folder is not None:
        write_beside(folder, FILE, measured_text(numbers))
    report.done(f"Measured {'; '.join(in_words(name, seen) for name, seen in found.items())}", "", time.monotonic() - began)
    for warning in idle(found):
        report.warn(warning)
    return numbers


def in_words(model: str, seen: Seen) -> str:
    """What was seen of a model, and of what it is told (pure)."""
    used, answered = seen.used, f"{seen.requests} prediction{'' if seen.requests == 1 else 's'} answered"
    return f"{model}: {used.memory_bytes // _MIB} MiB and {used.cpus:.2f} cores at most, {seen.over}, {answered}"


def idle(found: Mapping[str, Seen]) -> list[str]:
    """What is to be said of models that had next to nothing to do (pure)."""
    return [
        f"{model} answered {seen.requests} of the {_ENOUGH} predictions that a measurement needs: what it uses under load is not known, "
        "and its pods would ask for too little. Have it asked as it will be in production, and measure while it is: "
        "sandbox export k8s --measured"
        for model, seen in found.items()
        if seen.requests < _ENOUGH
    ]


def samples(text: str) -> tuple[float, float]:
    """Bytes of memory and seconds of processor time, of all processes in a page of metrics (pure)."""
    memory, cpu = (
        sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^\n]*\}})? (\S+)", text, re.MULTILINE)) for name in (_MEMORY, _CPU)
    )
    return memory, cpu


def answered(text: str) -> float:
    """Predictions that were answered, by a page of metrics (pure)."""
    lines = re.findall(rf"^{_REQUESTS}\{{([^\n]*)\}} (\S+)", text, re.MULTILINE)
    return sum(float(value) for labels, value in lines if re.search(rf'route="({_ROUTES})"', labels))


def busiest(pages: list[tuple[float, float, float]]) -> Measured:
    """Of moments, memory and processor time the most of each (pure)."""
    pairs = itertools.pairwise(pages)
    rates = [max(after[2] - before[2], 0.0) / (after[0] - before[0]) for before, after in pairs if after[0] > before[0]]
    return Measured(int(max(page[1] for page in pages)), max(rates, default=0.0))


def _rounded(memory: float, cpus: float) -> Measured:
    """Whole mebibytes and hundredths of a core: more is not known."""
    return Measured(max(math.ceil(memory / _MIB), 1) * _MIB, math.ceil(round(cpus * 100, 6)) / 100)


def _watched(url: str, seconds: float) -> Seen:
    pages, counts = [], []
    deadline = time.monotonic() + seconds
    while True:
        text = _get(url, Route.METRICS)
        pages.append((time.monotonic(), *samples(text)))
        counts.append(answered(text))
        if time.monotonic() >= deadline:
            return Seen(busiest(pages), int(max(counts[-1] - counts[0], 0.0)), f"in {seconds:g} s")
        time.sleep(_EVERY)


def _remembered(prometheus: str, model: str, service: str) -> Seen | None:
    """What Prometheus has seen of the version that answers, of the last day; None when it has not seen enough."""
    chosen = f'{{job="{Port.API}", instance="{service}"}}'
    memory = _asked(prometheus, f"max(max_over_time({_MEMORY}{chosen}[1d]))")
    cpus = _asked(prometheus, f"max(max_over_time(rate({_CPU}{chosen}[1m])[1d:15s]))")
    if memory is None or cpus is None:
        return None
    count = _asked(prometheus, f'sum(increase({_REQUESTS}{{instance="{service}", model="{model}", route=~"{_ROUTES}"}}[1d]))')
    return Seen(Measured(int(memory), cpus), round(count or 0.0), "in the last day")


def _asked(prometheus: str, expression: str) -> float | None:
    try:
        answer: Any = json.loads(_get(prometheus, f"/api/v1/query?{urlencode({'query': expression})}"))
        value = float(answer["data"]["result"][0]["value"][1])
    except (NotRunning, ValueError, LookupError, TypeError):
        return None
    return value if math.isfinite(value) else None


def _get(url: str, path: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(_LARGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise NotRunning(f"{url} does not answer", why=f"{type(error).__name__}: {error}", fix="look at it: sandbox status") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NotRunning(f"{url}{path} answered {answer.status}", fix="look at it: sandbox status")
    return body
