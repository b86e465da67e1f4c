"""What is counted of a challenger, in its champion's process."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry

from mlsandbox_serving.cells import Cells
from mlsandbox_serving.contract import Metrics
from mlsandbox_serving.metrics import counter, histogram
from mlsandbox_serving.service.route_cells import Routes


class Mode(StrEnum):
    """What a challenger gets."""

    SPLIT = "split"
    """Requests that it answers."""
    SHADOW = "shadow"
    """Copies of requests that the champion answered."""


class Result(StrEnum):
    """What became of a request, or a copy of one. With all but the first the champion answered."""

    ANSWERED = "answered"
    """It was answered; a copy was compared, too."""
    FAILED = "failed"
    """The challenger took no connection, broke it, answered 5xx, or what is no answer of it."""
    TIMEOUT = "timeout"
    """It did not answer in time."""
    REFUSED = "refused"
    """It answered 4xx: its schema may be another one."""
    DROPPED = "dropped"
    """It was not asked: there was no room, or the last ones failed."""


class Instruments:
    """The metrics of all challengers of a service, made when there is the first.

    Args:
        registry: see metrics.counter.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.requests: Final = counter(Metrics.CHALLENGER_REQUESTS, registry)
        self.seconds: Final = histogram(Metrics.CHALLENGER_SECONDS, registry)
        self.rows: Final = counter(Metrics.SHADOW_ROWS, registry)


class ChallengerMeasures:
    """Counts for one challenger; only in the event loop's thread.

    Args:
        cells: finds the numbers.
        labels: the model and the champion.
        challenger: its version.
        instruments: of all challengers.
        answered: counts answers that clients got from it.
    """

    def __init__(self, cells: Cells, labels: Mapping[str, str], challenger: str, instruments: Instruments, answered: Routes) -> None:
        named = {**labels, "challenger": challenger}
        self.routes: Final = answered
        self._requests = {
            (mode, result): cells.cell(instruments.requests.labels(**named, mode=mode.value, result=result.value))
            for mode in Mode
            for result in Result
        }
        self._seconds = {mode: cells.buckets(instruments.seconds.labels(**named, mode=mode.value)) for mode in Mode}
        self._same, self._different = (cells.cell(instruments.rows.labels(**named, result=result)) for result in ("same", "different"))

    def count(self, mode: Mode, result: Result) -> None:
        """Something became of a request, or of a copy."""
        self._requests[mode, result].add(1.0)

    def took(self, mode: Mode, seconds: float) -> None:
        """The challenger answered."""
        self._seconds[mode].one(seconds)

    def compared(self, same: int, different: int) -> None:
        """Rows of a copy were compared."""
        self._same.add(same)
        self._different.add(different)
