"""prometheus_client objects made from the contract's metrics, in one process or summed over the workers of a service.

Several workers share a folder of mapped files (prometheus_client's multiprocess mode). A worker's death neither loses what it
counted nor leaves a gauge behind: its files are folded into one, and its live gauges removed, at the next scrape.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import values as storage
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from mlsandbox_serving.contract import Metric, Metrics
from mlsandbox_serving.processes import Processes

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_GaugeMode = Literal["livesum", "livemin", "livemax"]
# How a gauge of several workers is one: requests in flight add up, a service is as ready as its least ready worker.
_GAUGE_MODES: Final[dict[str, _GaugeMode]] = {
    Metrics.IN_FLIGHT.name: "livesum",
    Metrics.QUEUED.name: "livesum",
    Metrics.LIMIT.name: "livesum",
    Metrics.MODEL_READY.name: "livemin",
}
_Collector: Any = MultiProcessCollector  # untyped
_File: Any = MmapedDict  # untyped
_RETIRED: Final = "retired"
_WAS_READY: Final = "was-ready"
ENVIRONMENT: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client finds the shared folder; BentoML sets it for its workers too."""


def share(folder: Path) -> None:
    """Make this process's metrics part of those in `folder`, before the first of them is made; only where `is_shared`.

    Raises:
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[ENVIRONMENT] = str(folder)


def is_shared() -> bool:
    """Whether this process's metrics can go to a folder: prometheus_client decides that when it is imported."""
    return storage.ValueClass is not storage.MutexValue


def counter(metric: Metric, registry: CollectorRegistry | None = None) -> Counter:
    """The prometheus_client object of a counter of the contract.

    Args:
        metric: of the contract.
        registry: what shows it in a process without `share`; workers leave it out, the folder shows them all.
    """
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry | None = None) -> Gauge:
    """As `counter`, of a gauge."""
    mode = _GAUGE_MODES.get(metric.name, "livemax")
    return Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=mode)


def histogram(metric: Metric, registry: CollectorRegistry | None = None) -> Histogram:
    """As `counter`, of a histogram, with the contract's buckets."""
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


class WorkerMetrics:
    """This worker's part of a shared folder.

    Args:
        folder: as given to `share`.
        generation: what the workers of one start of the service have in common; files of an earlier one are removed.
    """

    def __init__(self, folder: Path, *, generation: str) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._begin(generation)
            # Held for life: the kernel lets go of it whatever ends this process, so others can tell the dead from the living.
            self._alive = self._alive_file(os.getpid()).open("a")
            fcntl.lockf(self._alive, fcntl.LOCK_EX)

    def render(self) -> bytes:
        """What /metrics answers: all workers, the dead ones' counts included."""
        with self._locked():
            self._retire_dead()
            registry = CollectorRegistry()
            registry.register(_Files(self._folder))
            registry.register(Processes(self._processes))
            return generate_latest(registry)

    def ready_workers(self) -> int:
        """How many living workers have set MODEL_READY to 1."""
        own = os.getpid()
        ready = 0
        for file in self._folder.glob(f"gauge_{_GAUGE_MODES[Metrics.MODEL_READY.name]}_*.db"):
            worker = file.stem.rpartition("_")[2]
            if worker == str(own) or not self._is_dead(worker):
                ready += any(json.loads(key)[0] == Metrics.MODEL_READY.name and value == 1 for key, value in _numbers(file))
        return ready

    def was_ready(self) -> bool:
        """Whether a worker of this start of the service was ready, alive or dead by now."""
        return (self._folder / _WAS_READY).exists()

    def note_ready(self) -> None:
        """This worker is ready. Never raises: where that cannot be noted, those that take its place refuse what comes while they load."""
        with contextlib.suppress(OSError):
            (self._folder / _WAS_READY).touch()

    def _processes(self) -> Iterator[int]:
        yield os.getppid()  # their arbiter
        yield from (int(file.stem) for file in self._folder.glob("*.alive"))

    def _begin(self, generation: str) -> None:
        mark = self._folder / "generation"
        if mark.is_file() and mark.read_text(encoding="utf-8") == generation:
            return
        for file in [*self._folder.glob("*.db"), *self._folder.glob("*.alive"), self._folder / _WAS_READY]:
            file.unlink(missing_ok=True)
        mark.write_text(generation, encoding="utf-8")

    def _retire_dead(self) -> None:
        by_worker: dict[str, list[Path]] = {}
        for file in self._folder.glob("*.db"):
            worker = file.stem.rpartition("_")[2]
            if worker not in {str(os.getpid()), _RETIRED}:
                by_worker.setdefault(worker, []).append(file)
        for worker, files in by_worker.items():
            if self._is_dead(worker):
                for file in files:
                    if file.name.startswith("gauge_live"):
                        file.unlink(missing_ok=True)
                    else:
                        _fold(file, self._folder / f"{file.stem.rpartition('_')[0]}_{_RETIRED}.db")
                self._alive_file(worker).unlink(missing_ok=True)

    def _is_dead(self, worker: str) -> bool:
        try:
            with self._alive_file(worker).open("r+") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _alive_file(self, worker: int | str) -> Path:
        return self._folder / f"{worker}.alive"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[IO[str]]:
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock


def _numbers(file: Path) -> Iterator[tuple[str, float]]:
    """Keys and values of a file; none of one that is only just being made, or whose worker died over it."""
    if file.stat().st_size:
        for key, value, _, _ in _File.read_all_values_from_file(str(file)):
            yield key, value


class _Files(Collector):
    """What the files of a folder hold together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Family]:
        """Sum them up, but for files that are empty, as in `_numbers`."""
        families: Iterable[Family] = _Collector.merge(
            [str(file) for file in self._folder.glob("*.db") if file.stat().st_size], accumulate=True
        )
        return families


def _fold(source: Path, target: Path) -> None:
    """Add a dead worker's counters or histograms to those of the other dead ones, and remove its file.

    The sum is written beside the target and renamed over it. Killed between that and the removal, the worker would be counted twice.
    """
    sums: dict[str, float] = {}
    for file in (target, source):
        if file.exists():
            for key, value in _numbers(file):
                sums[key] = sums.get(key, 0.0) + value
    beside = target.with_suffix(".new")
    beside.unlink(missing_ok=True)
    written = _File(str(beside))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    beside.replace(target)
    source.unlink(missing_ok=True)
