"""Whoever is killed, whenever: what was acknowledged to the writer's caller ends up in the store, once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mlsandbox_serving.spool import segment
from support.event_processes import LogStore, ShipperProcess, metric
from support.waiting import wait_for

KILLS = 18

# Writes as fast as it can up to a pace; names each event on stdout only after `append` returned.
_WRITER = """
import os, sys, time
from pathlib import Path
from mlsandbox_serving.spool.writer import SpoolWriter
folder, run = Path(sys.argv[1]), sys.argv[2]
writer = SpoolWriter(folder, max_bytes=10**9, worker=run, segment_bytes=30_000)
number = 0
while True:
    writer.append({"event.id": f"{run}-{number}", "text": "x" * (number % 7 * 300)}, time.time())
    os.write(1, f"{run}-{number}\\n".encode())
    number += 1
    if number % 4 == 0:
        time.sleep(0.002)
"""


class _Writer:
    """A process that appends without end; each start is a new run."""

    def __init__(self, spool: Path, acknowledged: Path) -> None:
        self._spool = spool
        self._acknowledged = acknowledged
        self._run = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._run += 1
        with self._acknowledged.open("ab") as file:
            self._process = subprocess.Popen([sys.executable, "-c", _WRITER, str(self._spool), f"run{self._run}"], stdout=file)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def kill_and_start(self) -> None:
        self.kill()
        self.start()


def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path, log_store: LogStore, make_shipper: Callable[..., ShipperProcess]) -> None:
    """After many kills of writer, shipper and store the store must hold every acknowledged id, once."""
    dice = random.Random(20_241_124)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    shipper = make_shipper({"log-store": log_store.forward_port})
    writer = _Writer(shipper.spool, acknowledged)
    log_store.start()
    shipper.start()
    writer.start()
    try:
        for _ in range(KILLS):
            # The next kill comes after some more bytes were acknowledged: at any point of anyone's work.
            mark = acknowledged.stat().st_size + dice.randint(500, 6000)
            _grown(acknowledged, mark)
            kill_and_start = dice.choice([writer.kill_and_start, shipper.kill_and_start, log_store.kill_and_start])
            kill_and_start()
    finally:
        writer.kill()
    wait_for(lambda: shipper.is_ready() and log_store.is_ready(), what="shipper and store are up")
    wait_for(lambda: not segment.segments(shipper.spool), what="everything is delivered and deleted")

    expected = acknowledged.read_text().split()
    stored = log_store.ids()
    assert len(expected) > 2000
    assert len(stored) == len(set(stored))
    assert set(expected) <= set(stored)
    # What else is there was written, and its writer killed before it could say so: the next number of a run.
    assert {_before(name) for name in set(stored) - set(expected)} <= {*expected, None}
    assert metric(shipper.probe_port, "sandbox_events_dropped_total") == 0


def _grown(path: Path, size: int) -> None:
    wait_for(lambda: path.stat().st_size >= size, what="the writer goes on", every=0.001)


def _before(name: str) -> str | None:
    run, number = name.split("-")
    return f"{run}-{int(number) - 1}" if int(number) else None
