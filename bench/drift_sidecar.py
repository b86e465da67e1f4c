"""How many rows a second the drift service takes in, and what that costs: the real process, over the Forward protocol, acks awaited.

    python bench/drift_sidecar.py [--rows 50000] [--columns 20] [--rows-per-event 1 100] [--pace 5000]

Events are encoded before the clock runs, and sent as the shipper sends them: about a megabyte in a message, one message after the other.
Without `--pace` as fast as they are acknowledged; with it at so many rows a second, which shows the processor time that these cost.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlsandbox_serving.contract import Dataset, Env, Field
from mlsandbox_serving.drift import build_profile, save_profile
from mlsandbox_serving.forward.client import ForwardClient
from mlsandbox_serving.spool.entry import encode
from mlsandbox_serving.spool.reader import BATCH_BYTES

REFERENCE_ROWS = 10_000
GIVE_UP = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each measurement (default 50000)")
    parser.add_argument("--columns", type=int, default=20, help="of which a fifth are categories (default 20)")
    parser.add_argument("--rows-per-event", type=int, nargs="+", default=[1, 100], help="sizes of requests (default 1 and 100)")
    parser.add_argument("--pace", type=int, default=0, help="rows a second; 0: as fast as it goes (default)")
    options = parser.parse_args()
    print(f"{'rows/event':>10} {'rows/s':>10} {'CPU s per 1000 rows':>20} {'of one core':>12} {'slowest ack ms':>15} {'memory MB':>10}")
    for size in options.rows_per_event:
        print(
            "{:>10} {:>10,.0f} {:>20.3f} {:>12.1%} {:>15.0f} {:>10.0f}".format(
                size, *measure(options.rows, options.columns, size, options.pace)
            )
        )


def measure(rows: int, columns: int, rows_per_event: int, pace: int) -> tuple[float, float, float, float, float]:
    """Rows a second, CPU seconds per thousand rows, share of one core, longest wait for an acknowledgement in ms, megabytes in memory."""
    dice = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = inputs(dice, REFERENCE_ROWS, columns)
        save_profile(build_profile(reference, predictions=answers(dice, REFERENCE_ROWS)), folder / "profile")
        messages = list(batches(dice, rows, columns, rows_per_event))
        forward, http = free_port(), free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "mlsandbox_serving.drift_sidecar"],
            env={
                **os.environ,
                Env.DRIFT_DIR: str(folder / "state"),
                Env.FORWARD_PORT: str(forward),
                Env.DRIFT_PORT: str(http),
                Env.DRIFT_PROFILES: f"bench/v1={folder / 'profile'}",
            },
        )
        try:
            wait_until_ready(http)
            before = cpu_seconds(process.pid)
            started, slowest, sent = time.perf_counter(), 0.0, 0
            with ForwardClient("127.0.0.1", forward) as client:
                for count, message in messages:
                    if pace:
                        time.sleep(max(started + sent / pace - time.perf_counter(), 0))
                    asked = time.perf_counter()
                    client.send("sandbox.bench", message)
                    slowest = max(slowest, time.perf_counter() - asked)
                    sent += count
            seconds = time.perf_counter() - started
            used = cpu_seconds(process.pid) - before
            return sent / seconds, used / sent * 1000, used / seconds, slowest * 1000, memory_megabytes(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def batches(dice: np.random.Generator, rows: int, columns: int, rows_per_event: int) -> Iterator[tuple[int, list[bytes]]]:
    """Messages as the shipper cuts them: how many rows, and the entries."""
    entries: list[bytes] = []
    size = 0
    for number in range(rows // rows_per_event):
        entries.append(encode(event(dice, number, columns, rows_per_event), time.time()))
        size += len(entries[-1])
        if size >= BATCH_BYTES:
            yield len(entries) * rows_per_event, entries
            entries, size = [], 0
    if entries:
        yield len(entries) * rows_per_event, entries


def event(dice: np.random.Generator, number: int, columns: int, rows: int) -> dict[str, Any]:
    return {
        Field.EVENT_ID: f"{number:032x}",
        Field.EVENT_DATASET: Dataset.PREDICTION,
        Field.REQUEST_ID: f"request-{number}",
        Field.MODEL: "bench",
        Field.VERSION: "v1",
        Field.ROWS: rows,
        Field.INPUTS: inputs(dice, rows, columns),
        Field.PREDICTIONS: answers(dice, rows),
        Field.TRUNCATED: False,
    }


def inputs(dice: np.random.Generator, rows: int, columns: int) -> dict[str, list[Any]]:
    categories = columns // 5
    made: dict[str, list[Any]] = {f"number {place}": dice.normal(size=rows).tolist() for place in range(columns - categories)}
    return made | {f"category {place}": dice.choice(["red", "green", "blue", "grey"], rows).tolist() for place in range(categories)}


def answers(dice: np.random.Generator, rows: int) -> list[Any]:
    chosen: list[Any] = dice.choice(["no", "yes"], rows).tolist()
    return chosen


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + GIVE_UP
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
