"""The service's metrics, by what happens rather than by name.

What happens to a request is only noted down; `flush` counts it, once per turn of the event loop for all requests of that turn.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from prometheus_client import CollectorRegistry

from mlsandbox_serving.cells import Buckets, Cell, Cells, Tallied
from mlsandbox_serving.contract import Metrics
from mlsandbox_serving.metrics import counter, gauge, histogram
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.challenger_measures import ChallengerMeasures, Instruments
from mlsandbox_serving.service.readiness import State
from mlsandbox_serving.service.route_cells import OTHER, PREDICTING, Routes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSES: Final = 20
_FROM_THE_START: Final = (200, 500, 503, 504)
"""Codes counted from 0: a rate sees the first failures only when it saw that there were none."""
_FEW: Final = 256
"""Rows of a batch up to which they are counted by `flush`; more would hold up the event loop."""

_Predicted = tuple[Sequence[int], Sequence[Any] | dict[Any, int], Sequence[float] | Tallied]


class Spooled(Protocol):
    """What a spool counts."""

    written: int

    @property
    def dropped(self) -> Mapping[str, int]:
        """Events lost so far, by reason."""


class Measures:
    """Counts for one model.

    Args:
        identity: what is served; its model and version label every metric.
        kind: of the model.
        registry: None where the workers of the service share a folder, see metrics.share.
        limit: requests that this worker takes at once.
    """

    def __init__(self, identity: Identity, kind: str, registry: CollectorRegistry | None = None, *, limit: int) -> None:
        self._cells = Cells()
        self._labels = {"model": identity.model, "version": identity.version}
        self.in_flight = 0
        """Requests being answered now; changed in the event loop's thread, shown by `flush`."""
        self.queued = 0
        """Those of them that wait for the model; likewise."""
        self._answers: list[tuple[str, int, float, int, int]] = []
        self._predicted: list[_Predicted] = []
        self._calls: list[tuple[int, int, float]] = []
        self._spool: Spooled | None = None
        self._spooled: Tally[str] = Tally()

        self._registry = registry
        self._requests = counter(Metrics.REQUESTS, registry)
        self._route_histograms = [
            histogram(metric, registry) for metric in (Metrics.REQUEST_SECONDS, Metrics.REQUEST_BYTES, Metrics.RESPONSE_BYTES)
        ]
        self._route = Routes(self._cells, self._labels, self._requests, self._route_histograms)
        self._instruments: Instruments | None = None
        self._champion: Any = None
        self._challengers: dict[str, ChallengerMeasures] = {}
        for route in PREDICTING:
            for code in _FROM_THE_START:
                self._route(route).code(code)

        def buckets(metric: Any) -> Buckets:
            return self._cells.buckets(histogram(metric, registry).labels(**self._labels))

        self._rows = buckets(Metrics.REQUEST_ROWS)
        self._scores = buckets(Metrics.PREDICTION_SCORE)
        self._batch_rows = buckets(Metrics.BATCH_ROWS)
        self._batch_requests = buckets(Metrics.BATCH_REQUESTS)
        self._model_seconds = buckets(Metrics.MODEL_SECONDS)
        predictions = counter(Metrics.PREDICTIONS, registry)
        self._classes = _Classes(lambda name: self._cells.cell(predictions.labels(**self._labels, **{"class": name})))
        self._written = self._cells.cell(counter(Metrics.EVENTS_WRITTEN, registry).labels(**self._labels))
        self._dropped = counter(Metrics.EVENTS_DROPPED, registry)
        self._ready = gauge(Metrics.MODEL_READY, registry).labels(**self._labels)
        self._golden = gauge(Metrics.GOLDEN_ROWS, registry)
        self._cost = gauge(Metrics.MODEL_COST, registry)
        self._in_flight = _Shown(self._cells.cell(gauge(Metrics.IN_FLIGHT, registry).labels(**self._labels)))
        self._queued = _Shown(self._cells.cell(gauge(Metrics.QUEUED, registry).labels(**self._labels)))
        self._ready.set(0)
        gauge(Metrics.LIMIT, registry).labels(**self._labels).set(limit)
        gauge(Metrics.MODEL_INFO, registry).labels(**self._labels, digest=identity.digest, kind=kind).set(1)

    def name_classes(self, classes: Sequence[Any]) -> None:
        """Fix which classes are counted by name, before the first prediction."""
        for one in classes[:_CLASSES]:
            self._classes.cell(one)

    def answered(self, route: str, status: int, seconds: float, *, received: int = 0, sent: int = 0) -> None:
        """A request was answered; only in the event loop's thread.

        Args:
            route: a constant of `Route`; any other text is counted as "other".
            status: of the answer; 499 when the client was gone.
            seconds: from the request's first byte to its answer.
            received: bytes of the request's body that were read.
            sent: bytes of the answer's body.
        """
        self._answers.append((route, status, seconds, received, sent))

    def champion(self, *, is_it: bool) -> None:
        """Whether this version is its model's champion; where that is never told, there is no such metric."""
        if self._champion is None:
            self._champion = gauge(Metrics.MODEL_CHAMPION, self._registry).labels(**self._labels)
        self._champion.set(int(is_it))

    def challenger(self, version: str) -> ChallengerMeasures:
        """What is counted of a challenger of this version; only in the event loop's thread."""
        known = self._challengers.get(version)
        if known is None:
            instruments = self._instruments = self._instruments or Instruments(self._registry)
            routes = Routes(self._cells, {**self._labels, "version": version}, self._requests, self._route_histograms)
            known = self._challengers[version] = ChallengerMeasures(self._cells, self._labels, version, instruments, routes)
        return known

    def predicted(
        self, requests: Sequence[int], predictions: Sequence[Any], scores: Sequence[float] | NDArray[Any], *, by_class: bool
    ) -> None:
        """Rows were predicted: how many, and of classifiers which classes and how surely; in any thread.

        Args:
            requests: rows of each request.
            predictions: of all rows, as JSON values.
            scores: highest probability of each row, or none; NaN is left out, infinities are counted as 0 and 1.
            by_class: whether predictions are classes.
        """
        classes = predictions if by_class else ()
        if len(predictions) > _FEW:
            # An array whose sum is finite is counted as it is.
            certain: Any = scores
            if not (hasattr(certain, "dtype") and math.isfinite(certain.sum())):
                certain = _finite(_listed(scores))
            self._predicted.append((requests, _tally(classes), self._scores.tallied(certain)))
        else:
            self._predicted.append((requests, classes, _listed(scores)))

    def model_ran(self, rows: int, requests: int, seconds: float) -> None:
        """The model was called once, for some requests; in any thread."""
        self._calls.append((rows, requests, seconds))

    def cost(self, rows: int, seconds: float) -> None:
        """What one call of the model with so many rows takes, as measured at its start; a few numbers of rows, in any thread."""
        self._cost.labels(**self._labels, rows=str(rows)).set(seconds)

    def state(self, state: State) -> None:
        """The service became ready, or will not."""
        self._ready.set(1 if state.ready else 0)
        if state.golden is not None:
            rows, equal = state.golden["rows"], state.golden["bit_equal"]
            differing = state.details.get("differing", 0)
            for result, count in (("bit_equal", equal), ("within_tolerance", rows - equal - differing), ("differing", differing)):
                self._golden.labels(**self._labels, result=result).set(count)

    def spooled(self, spool: Spooled) -> None:
        """The spool has counted something; in any thread."""
        self._spool = spool

    def flush(self) -> None:
        """Count what was noted down since the last time; only in the event loop's thread."""
        if self._answers:
            answers, self._answers = self._answers, []
            self._count_answers(answers)
        if self._predicted:
            for requests, classes, scores in _taken(self._predicted):
                self._rows.many(requests)
                if classes:
                    self._classes.count(classes)
                if isinstance(scores, Tallied):
                    self._scores.add(scores)
                elif scores:
                    self._scores.many(_finite(scores))
        if self._calls:
            for rows, together, seconds in _taken(self._calls):
                self._batch_rows.one(rows)
                self._batch_requests.one(together)
                self._model_seconds.one(seconds)
        self._in_flight.show(self.in_flight)
        self._queued.show(self.queued)
        if self._spool is not None:
            self._take_over(self._spool)

    def _count_answers(self, answers: Sequence[tuple[str, int, float, int, int]]) -> None:
        if len(answers) == 1:
            self._route(answers[0][0]).one(*answers[0])
            return
        columns = tuple(zip(*answers, strict=True))
        routes = columns[0]
        if routes.count(routes[0]) == len(routes):
            self._route(routes[0]).many(*columns)
            return
        by_route: dict[str, list[tuple[str, int, float, int, int]]] = {}
        for answer in answers:
            by_route.setdefault(answer[0], []).append(answer)
        for route, those in by_route.items():
            self._route(route).many(*zip(*those, strict=True))

    def _take_over(self, spool: Spooled) -> None:
        """What the spool has counted since the last time; its writers may be at it meanwhile."""
        seen = self._spooled
        if (new := spool.written - seen[""]) > 0:
            self._written.add(new)
            seen[""] += new
        if spool.dropped:
            for reason, count in dict(spool.dropped).items():
                if (new := count - seen[reason]) > 0:
                    self._dropped.labels(**self._labels, reason=reason).inc(new)
                    seen[reason] += new


class _Classes:
    """Counts of predicted classes: the first twenty by name, then others.

    Args:
        make: the cell of a name.
    """

    def __init__(self, make: Callable[[str], Cell]) -> None:
        self._make = make
        self._named: dict[str, Cell] = {}
        self._known: dict[Hashable, Cell] = {}
        self._other: Cell | None = None

    def count(self, classes: Sequence[Any] | dict[Any, int]) -> None:
        """Count rows of these classes."""
        for prediction, count in (classes if isinstance(classes, dict) else _tally(classes)).items():
            (self._known.get(prediction) or self.cell(prediction)).add(count)

    def cell(self, prediction: Any) -> Cell:
        """The cell of a class; `prediction` can be hashed."""
        name = str(prediction)
        cell = self._named.get(name)
        if cell is None:
            if len(self._named) >= _CLASSES:
                if self._other is None:
                    self._other = self._make(OTHER)
                return self._other
            cell = self._named[name] = self._make(name)
        self._known[prediction] = cell
        return cell


class _Shown:
    """A gauge that is written when it changes."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._last = 0
        cell.set(0)

    def show(self, number: int) -> None:
        if number != self._last:
            self._cell.set(number)
            self._last = number


def _taken(pending: list[Any]) -> list[Any]:
    """What other threads have appended so far; what they append meanwhile stays."""
    taken = pending[: len(pending)]
    del pending[: len(taken)]
    return taken


def _listed(scores: Sequence[float] | NDArray[Any]) -> Sequence[float]:
    listed: Sequence[float] = scores.tolist() if hasattr(scores, "tolist") else scores
    return listed


def _tally(classes: Sequence[Any]) -> dict[Any, int]:
    try:
        if len(classes) == 1:
            return {classes[0]: 1}
        return Tally(classes)
    except TypeError:  # they are lists, of a model that predicts several classes for a row
        return Tally(map(str, classes))


def _finite(scores: Sequence[float]) -> Sequence[float]:
    if math.isfinite(sum(scores)):
        return scores
    ends = {math.inf: 1.0, -math.inf: 0.0}
    return [ends.get(score, score) for score in scores if not math.isnan(score)]
