"""Latency of a champion whose challenger gets copies, beside that of one without: healthy, stalled, crashed or talking nonsense.

    python bench/shadow.py
    python bench/shadow.py --rounds 9 --seconds 4

One model service with one worker, started as `sandbox up` starts it, without its sinks. Its traffic document is rewritten between the
measurements, in another order each round; each measurement with a challenger stands beside the two without that come before and after
it. wrk asks over 32 connections, each again as soon as it is answered, so that the champion is as busy as it can be; some answers are
compared with what the model says meanwhile. The champion has one core; wrk and all challengers share the others. A healthy challenger is
the same service once more, and takes processor time for every copy: on a machine with few cores that is what its ratio shows. Processor
time is that of the champion's processes for each answer, which other programs on the machine change little.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "serving"))

import wrk  # noqa: E402  # the parts of the bench
from own import OWN, _launch  # noqa: E402
from processes import GIVE_UP, Placement, apart, free_port, process, processor_seconds  # noqa: E402
from workloads import MODELS, Workload, train  # noqa: E402

from mlsandbox_serving.contract import Env, Traffic  # noqa: E402

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CONNECTIONS = 32
STATES = ("none", "healthy", "stalled", "crashed", "nonsense")
BROKEN = ("stalled", "crashed", "nonsense")
"""States in which it must cost the champion next to nothing."""
STALL = 10.0
MOST = 1.2
SETTLED = 1.5
"""Seconds in which a worker has read a new document."""


@dataclass(frozen=True)
class Found:
    """One measurement."""

    load: wrk.Load
    wrong: int
    """Answers that were not what the champion's model says, or errors."""
    looked_at: int
    """Answers that were compared with that."""
    processor: float
    """Microseconds of a processor that the champion's processes took for each answer."""


def main() -> int:
    """Measure, print, and end with 1 when a broken challenger costs more than it may, or an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--model", choices=list(MODELS), default="logistic")
    options = parser.parse_args()
    wrk.require()
    placement = apart()
    if placement.rest is not None:
        os.sched_setaffinity(0, placement.rest)  # inherited by wrk
    with tempfile.TemporaryDirectory(prefix="bench-shadow-") as folder:
        workload = train(options.model, Path(folder) / options.model)
        OWN[0].prepare(workload)
        with (
            service(workload, Path(folder), "v1", Placement(placement.service)) as champion,
            service(workload, Path(folder), "v2", Placement(placement.rest)) as healthy,
        ):
            found = measured(workload, champion, healthy, options)
            print(counters(champion))
    print(f"{workload.title}, {CONNECTIONS} connections, {options.rounds} rounds of {options.seconds:g} s\n")
    print("| challenger gets copies | p50 ms | p99 ms | p99 to none | spread | requests/s to none | processor to none | compared | wrong |")
    print("|---|---:|---:|---:|---|---:|---:|---:|---:|")
    broken: list[str] = []
    for state in STATES:
        those = found[state]
        slower = [beside.ratio(one, lambda each: each.load.p99) for one, beside in those]
        rate, used = (
            statistics.median(beside.ratio(one, of) for one, beside in those)
            for of in (lambda each: each.load.rate, lambda each: each.processor)
        )
        p50, p99 = (statistics.median(getattr(one.load, name) for one, _ in those) for name in ("p50", "p99"))
        print(
            f"| {state} | {p50:.2f} | {p99:.2f} | {statistics.median(slower):.2f} | {min(slower):.2f} to {max(slower):.2f} "
            f"| {rate:.2f} | {used:.2f} | {sum(one.looked_at for one, _ in those)} | {sum(one.wrong for one, _ in those)} |"
        )
        if any(one.wrong for one, _ in those) or (state in BROKEN and statistics.median(slower) > MOST):
            broken.append(state)
    print(f"\nWhile it is {', '.join(BROKEN)} the ratio of p99 is to be at most {MOST:g}: {f'not so: {broken}' if broken else 'it is'}.")
    return 1 if broken else 0


@dataclass(frozen=True)
class Beside:
    """What was measured without a challenger, before and after."""

    two: tuple[Found, Found]

    def ratio(self, one: Found, of: Callable[[Found], float]) -> float:
        """A measurement in relation to the mean of the two."""
        return of(one) / statistics.mean(map(of, self.two))


@dataclass(frozen=True)
class Service:
    """A running model service."""

    port: int
    pid: int
    traffic: Path


@contextlib.contextmanager
def service(workload: Workload, folder: Path, version: str, placement: Placement) -> Iterator[Service]:
    """The package as this version, alone, with its own spool and metrics."""
    document = json.loads((OWN[0].own(workload).project / ".sandbox" / "stack" / "processes.json").read_text(encoding="utf-8"))
    api = next(each for each in document["processes"] if each["name"] == "api" or each["name"].startswith("api-"))
    port, traffic = free_port(), folder / f"traffic-{version}.json"
    source, bento = Path(api["cwd"]).parent, folder / f"bento-{version}"
    shutil.copytree(source, bento)
    manifest = bento / "src" / "package" / "package.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text(encoding="utf-8")) | {"version": version}), encoding="utf-8")
    api = json.loads(json.dumps(api).replace(str(source), str(bento)))
    own = {
        Env.SPOOL_DIR: str(folder / f"spool-{version}"),
        Env.METRICS_DIR: str(folder / f"metrics-{version}"),
        Env.TRAFFIC_FILE: str(traffic),
    }
    api["env"] = {name: value for name, value in api["env"].items() if name not in {Env.FRONT, Env.FRONT_SOCKET}}
    with process(_launch(api, port, own), placement) as (running, _):
        deadline = time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30):
                yield Service(port, running.pid, traffic)
                return
            time.sleep(0.05)
        raise SystemExit(f"the service was not ready within {GIVE_UP:.0f} s")


def measured(workload: Workload, champion: Service, healthy: Service, options: argparse.Namespace) -> dict[str, list[tuple[Found, Beside]]]:
    """Every state once in each round, each time in another order, with what was measured without a challenger around it."""
    request = OWN[0].request(workload, workload.batches(1), "json")
    expected = json.loads(asked(champion.port, request.bodies[0]))["predictions"]
    found: dict[str, list[tuple[Found, Beside]]] = {state: [] for state in STATES}

    def measure(port: int | None) -> Found:
        tell(champion, port)
        time.sleep(SETTLED)
        return load(champion, request, options.seconds, expected)

    with bad(stalling) as stalled, bad(nonsense) as talking:
        ports = {"none": None, "healthy": healthy.port, "stalled": stalled, "crashed": free_port(), "nonsense": talking}
        measure(None)
        for number in range(options.rounds):
            before = measure(None)
            for state in STATES[number % len(STATES) :] + STATES[: number % len(STATES)]:
                one = measure(ports[state])
                after = measure(None)
                found[state].append((one, Beside((before, after))))
                before = after
    return found


def tell(champion: Service, port: int | None) -> None:
    """Write the document."""
    beside = {Traffic.VERSION: "v2", Traffic.ADDRESS: f"127.0.0.1:{port}", Traffic.PERCENT: 0, Traffic.SHADOW: True}
    new = champion.traffic.with_suffix(".new")
    new.write_text(json.dumps({Traffic.CHAMPION: "v1", Traffic.CHALLENGER: beside if port else None}), encoding="utf-8")
    new.replace(champion.traffic)


def asked(port: int, body: bytes) -> bytes:
    """One answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer = connection.getresponse().read()
    connection.close()
    return answer


def load(service: Service, request: wrk.Request, seconds: float, expected: list[object]) -> Found:
    """Ask for so long, and hold some of the answers to what the model says."""
    over = threading.Event()
    wrong: list[int] = []

    def watch() -> None:
        while not over.wait(0.05):
            wrong.append(json.loads(asked(service.port, request.bodies[0]))["predictions"] != expected)

    watching = threading.Thread(target=watch)
    watching.start()
    used = processor_seconds([service.pid])
    try:
        counted = wrk.measure_faults(service.port, request, CONNECTIONS, seconds)
        used = processor_seconds([service.pid]) - used
    finally:
        over.set()
        watching.join()
    return Found(counted.load, sum(wrong) + counted.refused + counted.broken, len(wrong), used / (counted.load.rate * seconds) * 1e6)


async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a request, and leave it alone for ten seconds."""
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(STALL)
    writer.close()


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a request, and answer it with no HTTP."""
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\xff not HTTP\r\n\r\n" * 100)
        await writer.drain()
    writer.close()


@contextlib.contextmanager
def bad(behave: Behave) -> Iterator[int]:
    """The port of a server that misbehaves, in a thread."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(behave, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def counters(champion: Service) -> str:
    """What became of the copies."""
    with urllib.request.urlopen(f"http://127.0.0.1:{champion.port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    wanted = ("sandbox_challenger_requests_total{", "sandbox_shadow_rows_total{")
    return "\n".join(line for line in lines if line.startswith(wanted) and not line.endswith(" 0.0")) + "\n"


if __name__ == "__main__":
    sys.exit(main())
