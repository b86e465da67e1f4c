"""The service's metrics, by what happens rather than by name."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry

from mlsandbox_serving.contract import Metrics, Route
from mlsandbox_serving.metrics import counter, gauge, histogram, observe_many
from mlsandbox_serving.record import Identity
from mlsandbox_serving.service.readiness import State

_CLASSES: Final = 20
_OTHER: Final = "other"
_FROM_THE_START: Final = ("200", "500", "503")
"""Codes counted from 0: a rate sees the first failures only when it saw that there were none."""
_ROUTES: Final = frozenset({Route.PREDICT, Route.FEEDBACK, Route.SCHEMA, Route.OPENAPI, Route.LIVE, Route.READY, Route.METRICS})


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
    """

    def __init__(self, identity: Identity, kind: str, registry: CollectorRegistry | None = None) -> None:
        self._labels = {"model": identity.model, "version": identity.version}
        self._classes: dict[str, str] = {}
        self._spooled: Tally[str] = Tally()
        self._lock = threading.Lock()
        self._requests = counter(Metrics.REQUESTS, registry)
        for code in _FROM_THE_START:
            self._requests.labels(**self._labels, route=Route.PREDICT, code=code)
        self._seconds = histogram(Metrics.REQUEST_SECONDS, registry)
        self._rows = histogram(Metrics.REQUEST_ROWS, registry).labels(**self._labels)
        self._predictions = counter(Metrics.PREDICTIONS, registry)
        self._scores = histogram(Metrics.PREDICTION_SCORE, registry).labels(**self._labels)
        self._written = counter(Metrics.EVENTS_WRITTEN, registry).labels(**self._labels)
        self._dropped = counter(Metrics.EVENTS_DROPPED, registry)
        self._ready = gauge(Metrics.MODEL_READY, registry).labels(**self._labels)
        self._golden = gauge(Metrics.GOLDEN_ROWS, registry)
        self.in_flight = gauge(Metrics.IN_FLIGHT, registry).labels(**self._labels)
        """Requests being answered now."""
        self.in_flight.set(0)
        self._ready.set(0)
        gauge(Metrics.MODEL_INFO, registry).labels(**self._labels, digest=identity.digest, kind=kind).set(1)

    def name_classes(self, classes: Sequence[Any]) -> None:
        """Fix which classes are counted by name, before the first prediction."""
        for one in classes[:_CLASSES]:
            self._class_label(one)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request was answered; 499 when its client was gone."""
        route = path if path in _ROUTES else _OTHER
        self._requests.labels(**self._labels, route=route, code=str(status)).inc()
        self._seconds.labels(**self._labels, route=route).observe(seconds)

    def predicted(self, predictions: Sequence[Any], scores: Sequence[float], *, by_class: bool) -> None:
        """Rows were predicted: how many, and of classifiers which classes and how surely."""
        self._rows.observe(len(predictions))
        if by_class:
            for label, count in Tally(map(self._class_label, predictions)).items():
                self._predictions.labels(**self._labels, **{"class": label}).inc(count)
        if scores:
            observe_many(self._scores, (score for score in scores if score == score))  # noqa: PLR0124 - NaN

    def state(self, state: State) -> None:
        """The service became ready, or will not."""
        self._ready.set(1 if state.ready else 0)
        if state.golden is not None:
            rows, equal = state.golden["rows"], state.golden["bit_equal"]
            differing = state.details.get("differing", 0)
            for result, count in (("bit_equal", equal), ("within_tolerance", rows - equal - differing), ("differing", differing)):
                self._golden.labels(**self._labels, result=result).set(count)

    def spooled(self, spool: Spooled) -> None:
        """Take over what the spool has counted since the last time."""
        with self._lock:
            now = Tally({"": spool.written, **spool.dropped})
            for reason, count in (now - self._spooled).items():
                if reason:
                    self._dropped.labels(**self._labels, reason=reason).inc(count)
                else:
                    self._written.inc(count)
            self._spooled = now

    def _class_label(self, prediction: Any) -> str:
        name = str(prediction)
        known = self._classes.get(name)
        if known is None:
            if len(self._classes) >= _CLASSES:
                return _OTHER
            known = self._classes[name] = name
        return known
