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
from mlsandbox_serving import metrics
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.readiness import LOADING, State
folder, generation = Path(sys.argv[1]), sys.argv[2]
metrics.share(folder)
shared = metrics.WorkerMetrics(folder, generation=generation)
measures = Measures(Identity("toy", "v1", "sha256:0"), "sklearn", limit=100)
class Spool:
    written, dropped = 0, {}
def note(rows):
    measures.model_ran(rows, 1, 0.25)
    measures.predicted([rows], ["yes"] * rows, [0.5] * rows, by_class=True)
    Spool.written += rows
    measures.spooled(Spool)
    measures.answered("/predict", 200, 0.5, received=1000, sent=100)
for line in sys.stdin:
    word, _, value = line.strip().partition(" ")
    if word == "count":
        note(int(value)); measures.flush()
    elif word == "note":
        note(int(value))
    elif word == "busy":
        measures.in_flight += 1; measures.queued += 2; measures.flush()
    elif word == "cost":
        measures.cost(1, float(value))
    elif word == "ready":
        measures.state(State() if value == "1" else LOADING)
    elif word == "peers":
        print(shared.ready_workers(), flush=True)
        continue
    elif word == "show":
        print(shared.render().decode() + "END", flush=True)
        continue
    print("done", flush=True)
"""


DEATHS, TOGETHER = 50, 10
FILES = {
    *(f"{kind}_{worker}.db" for kind in ("counter", "histogram") for worker in ("own", "retired")),
    *(f"gauge_{mode}_own.db" for mode in ("livemax", "livemin", "livesum")),
    *("own.alive", "generation", "lock"),
}


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
        """Samples of /predict without labels but `le`, whose bucket is appended to the name."""
        self._write("show")
        text = ""
        while not text.endswith("END\n"):
            text += self._read()
        families = text_string_to_metric_families(text.removesuffix("END\n"))
        return {
            sample.name + sample.labels.get("le", ""): sample.value
            for family in families
            for sample in family.samples
            if sample.labels.get("route") in {None, "/predict"} and sample.labels.get("code") in {None, "200"}
        }

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
    assert (last["sandbox_requests_total"], last["sandbox_request_body_bytes_sum"], last["sandbox_response_body_bytes_sum"]) == (
        4,
        4000,
        400,
    )
    assert (last["sandbox_batch_rows_sum"], last["sandbox_batch_requests_sum"], last["sandbox_model_duration_seconds_sum"]) == (18, 4, 1)
    assert (last["sandbox_request_duration_seconds_count"], last["sandbox_predictions_total"]) == (4, 18)
    assert last["sandbox_request_rows_bucket2.0"] == 2


def test_what_workers_have_now_is_added_up_while_they_live(tmp_path: Path) -> None:
    """Requests in flight, those that wait, and the limit must be those of all living workers; the cost that of the slowest."""
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        for worker, cost in ((one, 0.25), (two, 0.5)):
            worker.tell("busy")
            worker.tell(f"cost {cost}")
        both = one.show()
        two.kill()
        alone = one.show()

    names = ("sandbox_requests_in_flight", "sandbox_requests_queued", "sandbox_requests_limit", "sandbox_model_cost_seconds")
    assert [both[name] for name in names] == [2, 4, 200, 0.5]
    assert [alone[name] for name in names] == [1, 2, 100, 0.25]


def test_a_worker_killed_before_it_counts_loses_that_and_nothing_else(tmp_path: Path) -> None:
    """What a killed worker had noted down but not counted must be missing from all metrics alike, and what it had counted be kept."""
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        one.tell("count 1")
        two.tell("count 4")
        two.tell("note 64")
        two.kill()
        after = one.show()

    assert after["sandbox_requests_total"] == after["sandbox_request_duration_seconds_count"] == after["sandbox_batch_rows_count"] == 2
    assert after["sandbox_predictions_total"] == after["sandbox_request_rows_sum"] == after["sandbox_events_written_total"] == 5


def test_a_worker_killed_over_its_first_file_is_forgotten(tmp_path: Path) -> None:
    """An empty file, of a worker that died before it could count, or that is only just starting, must not keep metrics from being shown."""
    with Worker(tmp_path) as one, Worker(tmp_path) as two:
        one.tell("count 1")
        starting = tmp_path / f"counter_{two.process.pid}.db"
        two.tell("count 1")
        starting.write_bytes(b"")
        (tmp_path / "histogram_1.db").touch()

        assert one.show()["sandbox_events_written_total"] == 1
        assert not (tmp_path / "histogram_1.db").exists()


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
    """However many have died, the folder must hold the files of the living and one of each kind for the dead, none of them larger."""
    sizes = []
    for number in range(DEATHS // TOGETHER):
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(tmp_path)) for _ in range(TOGETHER)]
            for worker in workers:
                worker.tell("count 1")
            assert workers[0].show()["sandbox_events_written_total"] == TOGETHER * (number + 1)

        with Worker(tmp_path) as last:
            last.show()
            files = {file.name.replace(str(last.process.pid), "own"): file.stat().st_size for file in tmp_path.iterdir()}
        sizes.append(files)

    assert sizes[-1] == sizes[0]
    assert set(sizes[-1]) == FILES


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
