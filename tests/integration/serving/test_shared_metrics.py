"""Metrics of several workers are those of one service, also after a worker's death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

WORKER = """
import sys
from pathlib import Path
from typing import Self
from mlsandbox_serving import metrics
from mlsandbox_serving.contract import Metrics
folder, generation = Path(sys.argv[1]), sys.argv[2]
metrics.share(folder)
shared = metrics.WorkerMetrics(folder, generation=generation)
labels = {"model": "toy", "version": "v1"}
rows = metrics.histogram(Metrics.REQUEST_ROWS).labels(**labels)
written = metrics.counter(Metrics.EVENTS_WRITTEN).labels(**labels)
in_flight = metrics.gauge(Metrics.IN_FLIGHT).labels(**labels)
ready = metrics.gauge(Metrics.MODEL_READY).labels(**labels)
in_flight.set(0)
for line in sys.stdin:
    word, _, value = line.strip().partition(" ")
    if word == "count":
        written.inc(float(value)); rows.observe(float(value))
    elif word == "busy":
        in_flight.inc()
    elif word == "ready":
        ready.set(float(value))
    elif word == "peers":
        print(shared.ready_workers(), flush=True)
        continue
    elif word == "show":
        print(shared.render().decode() + "END", flush=True)
        continue
    print("done", flush=True)
"""


class Worker:
    """A process that counts what it is told."""

    def __init__(self, folder: Path, generation: str = "1") -> None:
        command = [sys.executable, "-c", WORKER, str(folder), generation]
        environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True)

    def tell(self, line: str) -> None:
        self._write(line)
        assert self._read() == "done\n"

    def show(self) -> dict[str, float]:
        """Samples without labels but `le`, whose bucket is appended to the name."""
        self._write("show")
        text = ""
        while not text.endswith("END\n"):
            text += self._read()
        families = text_string_to_metric_families(text.removesuffix("END\n"))
        return {sample.name + sample.labels.get("le", ""): sample.value for family in families for sample in family.samples}

    def peers(self) -> int:
        """How many workers it sees ready."""
        self._write("peers")
        return int(self._read())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker ended"
        return line


def test_workers_add_up_and_the_dead_are_remembered(tmp_path: Path) -> None:
    """Counts of all workers add up, those of killed ones too; what a killed one had in flight does not stay, whoever is asked."""
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(Worker(tmp_path)) for _ in range(3))
        one.tell("count 2")
        two.tell("count 5")
        two.tell("busy")
        three.tell("count 1")
        for worker in (one, two, three):
            worker.tell("ready 1")

        before = one.show()
        two.kill()
        three.kill()
        after, again = one.show(), one.show()
        with Worker(tmp_path) as late:
            late.tell("count 10")
            last = late.show()

    assert (before["sandbox_events_written_total"], before["sandbox_requests_in_flight"], before["sandbox_model_ready"]) == (8, 1, 1)
    assert (after["sandbox_events_written_total"], after["sandbox_requests_in_flight"]) == (8, 0)
    assert _own(after) == _own(again)
    assert (last["sandbox_events_written_total"], last["sandbox_request_rows_sum"], last["sandbox_request_rows_bucket+Inf"]) == (18, 18, 4)
    assert last["sandbox_request_rows_bucket2.0"] == 2


def test_a_service_is_as_ready_as_its_least_ready_worker(tmp_path: Path) -> None:
    """The gauge of readiness is 1 only when every worker is ready."""
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        one.tell("ready 1")
        two.tell("ready 0")
        half = one.show()["sandbox_model_ready"], one.peers()
        two.tell("ready 1")
        whole = one.show()["sandbox_model_ready"], one.peers()
        two.kill()
        alone = one.peers()

    assert (half, whole, alone) == ((0, 1), (1, 2), 1)


def test_the_folder_does_not_grow_with_the_dead(tmp_path: Path) -> None:
    """However many workers have died, the folder holds the files of the living and one of each kind for the dead."""
    for number in range(5):
        with Worker(tmp_path) as worker:
            worker.tell("count 1")
            assert worker.show()["sandbox_events_written_total"] == number + 1

    with Worker(tmp_path) as last:
        last.tell("count 1")
        assert last.show()["sandbox_events_written_total"] == 6
        assert len(list(tmp_path.glob("counter_*.db"))) == 2
        assert len(list(tmp_path.glob("*.alive"))) == 1


def test_a_new_start_begins_at_zero(tmp_path: Path) -> None:
    """The counts of an earlier start of the service are not those of this one."""
    with Worker(tmp_path, "first") as worker:
        worker.tell("count 3")

    with Worker(tmp_path, "second") as worker:
        worker.tell("count 1")
        assert worker.show()["sandbox_events_written_total"] == pytest.approx(1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what a process uses is read from /proc")
def test_what_all_workers_use_is_added_up(tmp_path: Path) -> None:
    """Memory, processor time and open files must be those of all living workers, the start that of the last one, whoever is asked."""
    with Worker(tmp_path) as one:
        alone = one.show()
        with Worker(tmp_path) as two:
            both = two.show()
        two.kill()
        after = one.show()

    assert both["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"] + 4_000_000
    assert both["process_open_fds"] > alone["process_open_fds"]
    assert both["process_cpu_seconds_total"] >= alone["process_cpu_seconds_total"]
    assert both["process_start_time_seconds"] > alone["process_start_time_seconds"]
    assert after["process_open_fds"] < both["process_open_fds"]


def _own(shown: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in shown.items() if name.startswith("sandbox_")}
