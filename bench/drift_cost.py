"""What it costs a model service that the drift service is fed: requests a second with it and without it, by turns, again and again.

    python bench/drift_cost.py [--rounds 9] [--seconds 5] [--connections 4] [--engines native alibi] [--project FOLDER]

Without a project a logistic regression of 20 columns is trained: a model that costs little, so that what feeding costs is seen. The
stack is brought up as child processes, by turns with the drift service and without; the model service runs on meanwhile, only the
shipper learns of its second sink. Every request has one row. Before each measurement all events are delivered. Processor time of the
model service for a request is shown as well: it says more than the clock where a machine is busy.

Pinned: model service and load on one core, everything else on another, so that what the drift service computes costs the path nothing
and only what feeding it costs is left. Unpinned: everything shares all cores, as on a machine that does nothing else. Pinning needs
`taskset` and two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import psutil
from sklearn.linear_model import LogisticRegression

import mlsandbox

SANDBOX = Path(sys.executable).with_name("sandbox")
OTHERS = "prometheus,alertmanager,grafana"
ROWS = 1_000
COLUMNS = 20
REFERENCE_ROWS = 10_000
WARM_UP = 1.0
GIVE_UP = 120.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Measured:
    """One measurement.

    Args:
        rate: requests a second.
        path: processor milliseconds of the model service for a request.
        drift: processor seconds of the drift service per second; 0 without it.
        shipper: the same of the shipper.
    """

    rate: float
    path: float
    drift: float
    shipper: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of measurements (default 9)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--connections", type=int, default=4, help="open at once (default 4)")
    parser.add_argument("--engines", nargs="+", default=[], help="of the drift service (default: those of the project)")
    parser.add_argument("--project", type=Path, help="a project with a saved model (default: one of its own)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.project.resolve() if options.project else train(Path(folder)), options)


def train(folder: Path) -> Path:
    """A project with a model that costs little."""
    dice = np.random.default_rng(1)
    frame = pd.DataFrame({f"number {place}": dice.normal(size=REFERENCE_ROWS) for place in range(COLUMNS)})
    label = (frame["number 0"] + dice.normal(size=REFERENCE_ROWS) > 0).astype(int)
    mlsandbox.save(LogisticRegression().fit(frame, label), "bench", reference=frame, target=label, path=folder)
    return folder


def measure(project: Path, options: argparse.Namespace) -> None:
    """Bring the project's stack up, compare, and bring it down."""
    stack = Stack(project, options.engines)
    cpus = sorted(os.sched_getaffinity(0)) if shutil.which("taskset") else []
    ways = [True, False] if len(cpus) > 1 else [False]
    try:
        stack.up(drift=True)
        requests = stack.requests()
        for pinned in ways:
            print(f"\n{'pinned' if pinned else 'unpinned'}, {options.connections} connections, one row each")
            compare(stack, requests, options, cpus, pinned=pinned)
    finally:
        stack.run("down")


def compare(stack: Stack, requests: Sequence[bytes], options: argparse.Namespace, cpus: Sequence[int], *, pinned: bool) -> None:
    """Measure by turns, and print a line for each round and the medians."""
    found: dict[bool, list[Measured]] = {True: [], False: []}
    for number in range(1, options.rounds + 1):
        for drift in (True, False) if number % 2 else (False, True):
            stack.up(drift=drift)
            if cpus:
                stack.pin(*((cpus[:1], cpus[1:2]) if pinned else (cpus, cpus)))
            stack.settle()
            found[drift].append(stack.measure(requests, options.connections, options.seconds))
        print(f"round {number}: with {found[True][-1].rate:,.0f}/s, without {found[False][-1].rate:,.0f}/s", flush=True)
    print(table(found[True], found[False]))


class Stack:
    """A project's stack of child processes."""

    def __init__(self, project: Path, engines: Sequence[str]) -> None:
        self._project = project
        self._engines = {"SANDBOX_DRIFT_ENGINES": ",".join(engines)} if engines else {}

    def run(self, *words: str, exclude: str = OTHERS) -> str:
        """What `sandbox` prints; its errors are shown only when it fails."""
        done = subprocess.run(
            [SANDBOX, "-C", self._project, "--engine", "embedded", *words],
            env={**os.environ, **self._engines, "SANDBOX_EXCLUDE": exclude},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"sandbox {' '.join(words)} failed (exit {done.returncode}):\n{done.stdout}{done.stderr}")
        return done.stdout

    def up(self, *, drift: bool) -> None:
        """Bring it up, with or without the drift service."""
        self.run("up", exclude=OTHERS if drift else f"drift,{OTHERS}")
        self._status: dict[str, Any] = json.loads(self.run("status", "-o", "json", exclude=OTHERS if drift else f"drift,{OTHERS}"))

    def requests(self) -> list[bytes]:
        """Rows of the reference as requests."""
        capture = next(self._project.glob("*/capture.json")).parent
        rows = pd.read_parquet(next(capture.glob("*.parquet"))).head(ROWS)
        columns = [each["name"] for each in json.loads(_get(f"{self._url}/schema"))["columns"]]
        bodies = [json.dumps(row).encode() for row in json.loads(rows[columns].to_json(orient="records"))]
        head = "POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
        return [head.format(len(body)).encode() + body for body in bodies]

    def pin(self, path: Sequence[int], rest: Sequence[int]) -> None:
        """Model service and this process to some cores, all other services to others."""
        for service in self._status["services"]:
            for process in self._family(service["name"]):
                _pin(process.pid, path if service["name"] == self._model else rest)
        _pin(os.getpid(), path)

    def settle(self) -> None:
        """Wait until every event is delivered."""
        port = self._service("shipper")["port"]
        deadline = time.monotonic() + GIVE_UP
        while True:
            text = _get(f"http://127.0.0.1:{port}/metrics")
            if not any(float(value) for value in re.findall(r"^sandbox_spool_pending_bytes\{.*\} (\S+)$", text, re.MULTILINE)):
                return
            if time.monotonic() > deadline:
                raise SystemExit("the shipper does not get rid of its events")
            time.sleep(0.1)

    def measure(self, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
        """One measurement, after a while of the same load."""
        load = Load(urlsplit(self._url).port or 0, requests, connections)
        load.start()
        time.sleep(WARM_UP)
        before, begun, cpu = load.answered, time.perf_counter(), self._cpu()
        time.sleep(seconds)
        answered, elapsed, used = load.answered - before, time.perf_counter() - begun, self._cpu()
        load.end()
        spent = {name: used[name] - cpu[name] for name in used}
        return Measured(answered / elapsed, 1_000 * spent[self._model] / answered, spent["drift"] / elapsed, spent["shipper"] / elapsed)

    @property
    def _url(self) -> str:
        return str(self._status["endpoints"]["api"])

    @property
    def _model(self) -> str:
        """The service of the version that answers."""
        (version,) = self._status["versions"]
        return str(version["service"])

    def _service(self, name: str) -> dict[str, Any]:
        return next((each for each in self._status["services"] if each["name"] == name), {})

    def _family(self, name: str) -> list[psutil.Process]:
        pid = self._service(name).get("pid")
        if pid is None:
            return []
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]

    def _cpu(self) -> dict[str, float]:
        return {name: sum(sum(process.cpu_times()[:2]) for process in self._family(name)) for name in (self._model, "drift", "shipper")}


class Load:
    """Connections that ask as fast as they are answered."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self._port = port
        self._counts = [0] * connections
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._ask, args=(place, requests[place::connections])) for place in range(connections)]

    @property
    def answered(self) -> int:
        """Requests so far."""
        return sum(self._counts)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Raises what went wrong."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _ask(self, place: int, requests: Sequence[bytes]) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
                for request in cycle(requests):
                    if self._ended.is_set():
                        return
                    connection.sendall(request)
                    _read(connection)
                    self._counts[place] += 1
        except (OSError, ValueError) as error:
            self._failure = error


def _read(connection: socket.socket) -> None:
    """One answer, all of it."""
    data = connection.recv(65_536)
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        raise ValueError(f"answered: {data[:300]!r}")
    missing = int(length[1]) - len(body)
    while missing > 0:
        missing -= len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError("the service closed the connection")
    return data


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the address of our own stack
        return str(answer.read(), "utf-8")


def _pin(pid: int, cpus: Sequence[int]) -> None:
    subprocess.run(
        ["taskset", "--all-tasks", "--cpu-list", "--pid", ",".join(map(str, cpus)), str(pid)], check=True, stdout=subprocess.DEVNULL
    )


def table(with_it: Sequence[Measured], without: Sequence[Measured]) -> str:
    """Medians and spread of both, what it costs, and what the services beside the model use."""
    lines = [f"{'':>28} {'median':>10} {'lowest':>10} {'highest':>10}"]
    for what, form, name in (("requests/s", ",.0f", "rate"), ("CPU ms/request", ".3f", "path")):
        for title, measured in (("with", with_it), ("without", without)):
            lines.append(_line(f"{what} {title}", [getattr(each, name) for each in measured], form))
    lines.append(_line("cost in requests/s", [1 - one.rate / other.rate for one, other in zip(with_it, without, strict=True)], ".1%"))
    lines.append(_line("cost in CPU", [one.path / other.path - 1 for one, other in zip(with_it, without, strict=True)], ".1%"))
    lines.append(_line("CPU of drift service", [each.drift for each in with_it], ".0%"))
    lines.append(_line("CPU of shipper with", [each.shipper for each in with_it], ".0%"))
    lines.append(_line("CPU of shipper without", [each.shipper for each in without], ".0%"))
    return "\n".join(lines)


def _line(title: str, values: Sequence[float], form: str) -> str:
    return " ".join([f"{title:>28}", *(f"{each:>10{form}}" for each in (median(values), min(values), max(values)))])


if __name__ == "__main__":
    main()
