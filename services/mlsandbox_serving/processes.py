"""Memory, processor time and open files of a service, under the names that every Prometheus client library gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

SUMMED: Final = ("process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds")
"""Names of the families; a counter's sample has `_total` behind it."""
LATEST: Final = "process_start_time_seconds"
"""Of the process that started last, so that the restart of any is seen."""


class Processes(Collector):
    """What all processes of a service use together; where there is no /proc, nothing.

    Args:
        pids: whose; one that is gone counts nothing.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """One family for each of SUMMED, and LATEST."""
        families: dict[str, Metric] = {}
        values: dict[str, list[float]] = {}
        for family in (each for pid in self._pids() for each in _of(pid)):
            if family.name in (*SUMMED, LATEST):
                families.setdefault(family.name, family)
                values.setdefault(family.name, []).append(family.samples[0].value)
        for name, family in families.items():
            value = max(values[name]) if name == LATEST else sum(values[name])
            family.samples = [family.samples[0]._replace(value=value)]
            yield family


def _of(pid: int) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()
