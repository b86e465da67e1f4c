"""This service, in two ways: as `sandbox up` runs it, and with everything off that it does beside answering."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import psutil
import pyarrow as pa
from peers import records
from processes import Launch, Placement, family, uninterrupted
from services import BINARY, JSON, Running, ServiceFailed, started
from workloads import LABELS, PROBABILITIES, Batch, Workload
from wrk import Request

from mlsandbox_serving.contract import Env

SANDBOX: Final = Path(sys.executable).with_name("sandbox")
EXCLUDED: Final = "prometheus,alertmanager,grafana"
DELIVERY: Final = 20.0
"""Seconds in which earlier events must have been delivered before something is measured."""
_PENDING: Final = re.compile(r"^sandbox_spool_pending_bytes\{.*\} (\S+)$", re.MULTILINE)

ENTRY: Final = Path(__file__).parent / "servers" / "without_measures.py"
"""Becomes the bento's service.py; the bento's own is beside it as with_measures.py."""


@dataclass(frozen=True)
class _Own:
    """What both ways have in common; see services.Service."""

    name: str
    title: str
    encodings: Sequence[str]
    folder: str = LABELS

    def own(self, workload: Workload) -> Workload:
        """The same with this way's project."""
        return replace(workload, project=workload.project.parent / self.folder)

    def prepare(self, workload: Workload) -> None:
        """Package the model; builds environments that are missing."""
        workload = self.own(workload)
        if not (workload.project / ".sandbox" / "stack" / "processes.json").exists():
            try:
                _sandbox(workload, "up")
            finally:
                _down(workload)

    def request(self, workload: Workload, batches: Sequence[Batch], encoding: str) -> Request:
        """One row as an object, numbers as columns, people as rows; or npy and an Arrow stream."""
        if encoding == BINARY and workload.kind == "array":
            return Request("/predict", "application/x-npy", [_npy(batch) for batch in batches])
        if encoding == BINARY:
            return Request("/predict", "application/vnd.apache.arrow.stream", [_arrow(batch) for batch in batches])
        return Request("/predict", JSON, [json.dumps(_body(workload, batch), separators=(",", ":")).encode() for batch in batches])

    def labels(self, answer: Any) -> list[Any]:
        """Labels in an answer."""
        return list(answer["predictions"])


class On(_Own):
    """As `sandbox up` runs it: metrics, every event shipped to the log store and to the drift service."""

    @contextlib.contextmanager
    def running(self, workload: Workload, placement: Placement) -> Iterator[Running]:
        """The whole stack; how long the model service alone takes to its first answer is measured before it comes up."""
        self.prepare(workload)
        workload = self.own(workload)
        api = _api(workload)
        with tempfile.TemporaryDirectory() as folder:
            own = {name: str(Path(folder) / name) for name in (Env.SPOOL_DIR, Env.METRICS_DIR)}
            with started(lambda port: _launch(api, port, own), self._first(workload), placement) as alone:
                start = alone.start
        try:
            _sandbox(workload, "up", prefix=placement.argv([]))
            status = json.loads(_sandbox(workload, "status", "-o", "json"))
            pids = {each["name"]: int(each["pid"]) for each in status["services"]}
            shipper = next(int(each["port"]) for each in status["services"] if each["name"] == "shipper")
            pid, port = pids[_api(workload)["name"]], urlsplit(status["endpoints"]["api"]).port or 0
            _move_others(workload, pid, placement)
            yield Running(port, [pid], start, lambda: _delivered(shipper))
        finally:
            _down(workload)
            shutil.rmtree(workload.project / ".sandbox" / "data", ignore_errors=True)  # the next round begins with an empty store, too

    def _first(self, workload: Workload) -> Request:
        return self.request(workload, workload.batches(1), "json")


class Off(_Own):
    """The same bento, served by the same program without a spool and with measures that do nothing."""

    @contextlib.contextmanager
    def running(self, workload: Workload, placement: Placement) -> Iterator[Running]:
        """The model service alone."""
        self.prepare(workload)
        workload = self.own(workload)
        api = _api(workload)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(str(api["cwd"])).parent
            bento = Path(folder) / "bento"
            shutil.copytree(source, bento)
            (bento / "src" / "service.py").rename(bento / "src" / "with_measures.py")
            shutil.copyfile(ENTRY, bento / "src" / "service.py")
            moved = json.loads(json.dumps(api).replace(str(source), str(bento)))
            own = {Env.SPOOL_DIR: "", Env.METRICS_DIR: str(Path(folder) / "metrics")}
            request = self.request(workload, workload.batches(1), "json")
            with started(lambda port: _launch(moved, port, own), request, placement) as running:
                yield running


OWN: Final = (
    On("on", "this service, everything on", ("json", BINARY)),
    On("probabilities", "the same, answers with probabilities", ("json",), PROBABILITIES),
    Off("off", "this service, everything off", ("json",)),
)


def _body(workload: Workload, batch: Batch) -> Any:
    rows = records(batch)
    if len(rows) == 1:
        return rows[0]
    if workload.kind == "array":
        return {"columns": {str(name): values.tolist() for name, values in batch.frame.items()}}
    return {"rows": rows}


def _npy(batch: Batch) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(batch.frame.to_numpy()))
    return file.getvalue()


def _arrow(batch: Batch) -> bytes:
    table = pa.Table.from_pandas(batch.frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _api(workload: Workload) -> dict[str, Any]:
    """The model service as the supervisor starts it."""
    document = json.loads((workload.project / ".sandbox" / "stack" / "processes.json").read_text(encoding="utf-8"))
    listed: list[dict[str, Any]] = document["processes"]
    return next(each for each in listed if Env.FRONT in each["env"])


def _launch(api: Mapping[str, Any], port: int, own: Mapping[str, str]) -> Launch:
    argv = [*api["argv"][: api["argv"].index("--port")], "--port", str(port)]
    return Launch(argv, Path(api["cwd"]), {**api["env"], **own})


def _sandbox(workload: Workload, *words: str, prefix: Sequence[str] = ()) -> str:
    """What `sandbox` prints; its output is shown only when it fails. Its memory of projects is kept beside the model."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_") or name == "SANDBOX_CACHE_DIR"}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # users keep compiled modules
    own = {
        "SANDBOX_STATE_DIR": str(workload.project.parent / "state"),
        "SANDBOX_EXCLUDE": EXCLUDED,
        "SANDBOX_DRIFT_ENGINES": "native",
    }
    argv = [*prefix, str(SANDBOX), "-C", str(workload.project), "--engine", "embedded", *words]
    done = subprocess.run(argv, env={**kept, **own}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceFailed(f"sandbox {' '.join(words)} failed (exit {done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def _down(workload: Workload) -> None:
    with uninterrupted():
        _sandbox(workload, "down")


def _move_others(workload: Workload, api: int, placement: Placement) -> None:
    """All of the stack but the model service goes beside the load."""
    served = {each.pid for each in family([api])}
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            project = each.environ().get(Env.PROJECT_DIR)
            if project and Path(project) == workload.project.resolve() and each.pid not in served:
                placement.move_away(each.pid)


def _delivered(shipper: int) -> str | None:
    """Wait until every event has been acknowledged; what is left when that takes too long."""
    deadline = time.monotonic() + DELIVERY
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{shipper}/metrics", timeout=30) as answer:
            pending = sum(map(float, _PENDING.findall(answer.read().decode())))
        if not pending:
            return None
        if time.monotonic() > deadline:
            return f"{pending / 1e6:.0f} MB of events were not delivered within {DELIVERY:.0f} s"
        time.sleep(0.1)
