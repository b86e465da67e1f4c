"""Latency while something around a model service is broken, beside that before: worker, shipper, log store, disk of the spool.

    python bench/serving_faults.py
    python bench/serving_faults.py --seconds 30 --faults log-store

Each fault has a fresh stack of the processes that `sandbox up` starts, without their supervisor: what is killed stays away until the bench
starts it again (but for workers, whom their arbiter replaces). wrk asks over 50 connections before, during and after; during begins with
the fault. The disk is a small file system of its own, which needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "serving"))

import wrk  # noqa: E402  # the parts of the bench
from own import OWN  # noqa: E402
from processes import GIVE_UP, Launch, Placement, process  # noqa: E402
from workloads import MODELS, Workload, train  # noqa: E402

from mlsandbox_serving.contract import Env  # noqa: E402

CONNECTIONS = 50
DISK = "4m"
FAULTS = ("worker", "shipper", "log-store", "disk")
MOST = 1.5
"""Times as long as before may one answer in a hundred take while the log store is away."""


class Stack:
    """The processes of a stack, each started and killed on its own."""

    def __init__(self, workload: Workload, stack: contextlib.ExitStack, own: dict[str, str]) -> None:
        document = json.loads((workload.project / ".sandbox" / "stack" / "processes.json").read_text(encoding="utf-8"))
        self.described: dict[str, dict[str, Any]] = {each["name"]: each for each in document["processes"]}
        self._own = own
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in self.described:
            self.start(name)

    @property
    def model(self) -> str:
        """The name of the model service, which here is asked at its own port."""
        return next(name for name, how in self.described.items() if Env.FRONT in how["env"])

    def port(self, name: str) -> int:
        """Where one of them answers."""
        ports = self.described[name]["ports"]
        return int(ports.get(name) or next(iter(ports.values())))

    def start(self, name: str) -> None:
        """Start one of them, again or for the first time."""
        how = self.described[name]
        launch = Launch(how["argv"], Path(how["cwd"]), {**how["env"], **self._own})
        self._running[name], _ = self._stack.enter_context(process(launch, Placement()))

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._running[name].kill()
        self._running[name].wait()

    def kill_worker(self) -> None:
        """SIGKILL to the worker that serves the model."""
        psutil.Process(self._running[self.model].pid).children()[0].kill()

    def wait(self) -> None:
        """Until the model service is ready."""
        deadline = time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port(self.model)}/readyz", timeout=30):
                return
            time.sleep(0.05)
        raise SystemExit(f"the model service was not ready within {GIVE_UP:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement; the log store is away for so long")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--model", choices=list(MODELS), default="logistic")
    options = parser.parse_args()
    wrk.require()
    with tempfile.TemporaryDirectory(prefix="bench-faults-") as folder:
        workload = train(options.model, Path(folder) / options.model)
        OWN[0].prepare(workload)
        print(f"{workload.title}, {CONNECTIONS} connections, {options.seconds:g} s each\n")
        print("| fault | requests/s before | p99 ms before | p99 ms during | ratio | p99 ms after | errors | broken connections |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
        for fault in options.faults:
            with disk(Path(folder) / "disk") if fault == "disk" else contextlib.nullcontext(Path(folder) / f"spool-{fault}") as spool:
                if spool is None:
                    print(f"| {fault} | not measured: only root can mount a small file system | | | | | | |", flush=True)
                else:
                    measure(workload, fault, spool, options.seconds)
    print(f"\nThe ratio is to be at most {MOST:g} while the log store is away.")


def measure(workload: Workload, fault: str, spool: Path, seconds: float) -> None:
    """Print one line of the table."""
    request = OWN[0].request(workload, workload.batches(1), "json")
    with contextlib.ExitStack() as stack:
        running = Stack(workload, stack, {Env.SPOOL_DIR: str(spool)})
        running.wait()
        port = running.port(running.model)

        def ask() -> wrk.Counted:
            return wrk.measure_faults(port, request, CONNECTIONS, seconds)

        wrk.measure_faults(port, request, CONNECTIONS, 1.0)
        before = ask()
        begin, end = actions(running, fault)
        timer = threading.Timer(0.2, begin)  # within the measurement
        timer.start()
        during = ask()
        timer.join()
        end()
        running.wait()
        after = ask()
    counted = (before, during, after)
    print(
        f"| {fault} | {before.load.rate:,.0f} | {before.load.p99:.1f} | {during.load.p99:.1f} | {during.load.p99 / before.load.p99:.2f} "
        f"| {after.load.p99:.1f} | {sum(each.refused for each in counted)} | {sum(each.broken for each in counted)} |",
        flush=True,
    )


def actions(running: Stack, fault: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """How a fault begins and how it is over; on a small disk the events of the load itself are the fault once nobody takes them."""
    if fault == "worker":
        return running.kill_worker, lambda: None
    away = "shipper" if fault == "shipper" else "log-store"
    return lambda: running.kill(away), lambda: running.start(away)


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Path | None]:
    """The folder of a spool on a small file system; None where there can be none."""
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=False).returncode:
        yield None
        return
    try:
        yield folder / "spool"
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


if __name__ == "__main__":
    main()
