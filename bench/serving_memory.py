"""Memory of a worker with the census model over 200,000 requests, with everything on.

    python bench/serving_memory.py
    python bench/serving_memory.py --requests 40000 --every 10000

Asks over 32 connections with wrk, one row a request, and reads what the worker has (RSS) and its share of it (PSS) now and then. The slope
is that of a line through all but the first two: what a service takes when it is first asked is no leak.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "serving"))

import wrk  # noqa: E402  # the parts of the bench
from own import OWN  # noqa: E402
from processes import Placement, memory  # noqa: E402
from workloads import MODELS, train  # noqa: E402

CONNECTIONS = 32
SLICE = 1.0
"""Seconds between two looks at how much was asked."""
MOST = 300.0
"""Megabytes that one worker may have."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--every", type=int, default=20_000, help="requests from one line of the table to the next")
    parser.add_argument("--model", choices=list(MODELS), default="census")
    options = parser.parse_args()
    wrk.require()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        workload = train(options.model, Path(folder) / options.model)
        service = OWN[0]
        request = service.request(workload, workload.batches(1), "json")
        with service.running(workload, Placement()) as running:
            (worker,) = psutil.Process(running.pids[0]).children()
            found = [(0, memory([worker.pid]), rss(worker))]
            print(f"{workload.title}, {CONNECTIONS} connections\n\n| requests | PSS MB | RSS MB |\n|---:|---:|---:|")
            show(*found[0])
            while found[-1][0] < options.requests:
                wrk.measure(running.port, request, CONNECTIONS, SLICE)
                count = asked(running.port)
                if count >= found[-1][0] + options.every:
                    found.append((count, memory([worker.pid]), rss(worker)))
                    show(*found[-1])
    counts, shares, _ = (np.array(column) for column in zip(*found, strict=True))
    if len(found) > 3:
        slope = np.polyfit(counts[2:], shares[2:], 1)[0] * 100_000
        print(f"\nslope: {slope:+.2f} MB per 100,000 requests; largest: {shares.max():.0f} MB, of at most {MOST:.0f}")


def show(requests: int, share: float, resident: float) -> None:
    """One line of the table."""
    print(f"| {requests:,} | {share:.1f} | {resident:.1f} |", flush=True)


def rss(process: psutil.Process) -> float:
    """Megabytes that the process has, shared pages and all."""
    return float(process.memory_info().rss) / 1e6


def asked(port: int) -> int:
    """Predictions so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("sandbox_requests_total{") and 'route="/predict"' in line))


if __name__ == "__main__":
    main()
