"""What is counted for each route, of one version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from prometheus_client import Counter, Histogram

from mlsandbox_serving.cells import Buckets, Cell, Cells
from mlsandbox_serving.contract import Route

OTHER: Final = "other"
FORWARDED: Final = "forwarded"
"""What a champion sent on, whatever its route: it is counted where clients asked, by the champion, and here under this name alone."""
PREDICTING: Final = (Route.PREDICT, Route.V2_INFER)
_ROUTES: Final = frozenset(
    {
        *PREDICTING,
        *(Route.FEEDBACK, Route.SCHEMA, Route.OPENAPI, Route.LIVE, Route.READY, Route.METRICS, Route.PAGE),
        *(Route.V2, Route.V2_LIVE, Route.V2_READY, Route.V2_MODEL, Route.V2_MODEL_READY),
        FORWARDED,
    }
)


class Routes:
    """Finds what is counted for a route.

    Args:
        cells: finds the numbers.
        labels: of all of them.
        requests: counts requests.
        histograms: of seconds, bytes received and bytes sent.
    """

    def __init__(self, cells: Cells, labels: Mapping[str, str], requests: Counter, histograms: Sequence[Histogram]) -> None:
        self._cells = cells
        self._labels = labels
        self._requests = requests
        self._histograms = histograms
        self._known: dict[str, RouteCells] = {}

    def __call__(self, route: str) -> RouteCells:
        """Of a constant of `Route`; any other text is "other"."""
        cells = self._known.get(route)
        if cells is None:
            name = route if route in _ROUTES else OTHER
            cells = self._known.get(name)
            if cells is None:
                labels = {**self._labels, "route": name}
                histograms = [self._cells.buckets(each.labels(**labels)) for each in self._histograms]
                cells = self._known[name] = RouteCells(
                    lambda code: self._cells.cell(self._requests.labels(**labels, code=str(code))), histograms
                )
        return cells


class RouteCells:
    """What is counted for one route.

    Args:
        make: the cell of a status.
        histograms: of seconds, bytes received and bytes sent.
    """

    def __init__(self, make: Callable[[int], Cell], histograms: Sequence[Buckets]) -> None:
        self._make = make
        self._codes: dict[int, Cell] = {}
        self._seconds, self._received, self._sent = histograms

    def code(self, status: int) -> Cell:
        """How many answers had this status."""
        cell = self._codes.get(status)
        if cell is None:
            cell = self._codes[status] = self._make(status)
        return cell

    def one(self, _route: str, status: int, seconds: float, received: int, sent: int) -> None:
        """One answer."""
        self.code(status).add(1.0)
        self._seconds.one(seconds)
        self._received.one(received)
        self._sent.one(sent)

    def many(self, _routes: Any, statuses: Sequence[int], seconds: Sequence[float], received: Sequence[int], sent: Sequence[int]) -> None:
        """Several answers."""
        for status in set(statuses):
            self.code(status).add(statuses.count(status))
        self._seconds.many(seconds)
        self._received.many(received)
        self._sent.many(sent)
