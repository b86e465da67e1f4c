"""The labelled rows of one version as arrays, and their numbers by the time of the prediction."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.performance import metrics
from mlsandbox_serving.performance.metrics import Codes, Floats
from mlsandbox_serving.performance.reading import CLASS, Value

Row = tuple[int, Value | None, bytes | None, Value]
"""Time of the prediction, the prediction, its probabilities, the label."""


class Window(StrEnum):
    """When predictions were made."""

    HOUR = "hour"
    """In the hour before now."""
    DAY = "day"
    """In the 24 hours before now."""
    ALL = "all"
    """All that are kept."""


_LONGEST_NAME: Final = 64
"""Characters of a class that is kept as it is; of a longer one a digest."""
SECONDS: Final = {Window.HOUR: 3_600, Window.DAY: 86_400}


class Joined:
    """Labelled rows of one version; a row without probabilities takes no room for them.

    Args:
        kind: of the version's predictions, CLASS or NUMBER.
        classes: in the order of the probabilities; empty when they are not known.
        rows: in any order.
    """

    def __init__(self, kind: str, classes: list[Value], rows: Iterable[Row]) -> None:
        self._is_class = kind == CLASS
        self._known = len(classes)
        self._names: dict[Value | bytes, int] = {_key(name): place for place, name in enumerate(classes)}
        width = len(classes) * np.dtype(np.float64).itemsize
        times, unusable, scored, scores = array("q"), array("q"), array("q"), bytearray()
        labels: array[Any] = array("i" if self._is_class else "d")
        predictions: array[Any] = array("i" if self._is_class else "d")
        for time, prediction, probabilities, label in rows:
            if prediction is None or not self._comparable(prediction, label):
                unusable.append(time)
                continue
            if self._is_class and probabilities is not None and len(probabilities) == width > 0:
                scored.append(len(times))
                scores += probabilities
            times.append(time)
            labels.append(self._number(label))
            predictions.append(self._number(prediction))
        self._times = np.array(times, np.int64)
        self._unusable = np.array(unusable, np.int64)
        kind_of_numbers = np.int32 if self._is_class else np.float64
        self._labels: NDArray[np.int32 | np.float64] = np.array(labels, kind_of_numbers)
        self._predictions: NDArray[np.int32 | np.float64] = np.array(predictions, kind_of_numbers)
        self._scored = np.array(scored, np.int64)
        """The rows that have probabilities."""
        self._scores: Floats = np.frombuffer(scores, np.float64).reshape(len(scored), self._known if self._is_class else 0)
        self._has_all = ~np.isnan(self._scores).any(axis=1)

    @property
    def size(self) -> int:
        """Bytes, those of the names of classes not counted."""
        return sum(each.nbytes for each in (self._times, self._unusable, self._labels, self._predictions, self._scored, self._scores))

    def count(self, since: int) -> int:
        """Labelled rows predicted since then."""
        return int((self._times >= since).sum()) + self.unusable(since)

    def unusable(self, since: int) -> int:
        """Those of them whose label and prediction cannot be compared: one is a text and the other a number, or one is missing."""
        return int((self._unusable >= since).sum())

    def scores(self, since: int) -> dict[str, float]:
        """The numbers of rows predicted since then, by their names."""
        chosen = self._times >= since
        labels, predictions = self._labels[chosen], self._predictions[chosen]
        if not self._is_class:
            return metrics.of_numbers(labels.astype(np.float64), predictions.astype(np.float64))
        truth, predicted = labels.astype(np.int32), predictions.astype(np.int32)
        return metrics.of_classes(truth, predicted, positive=self._positive(truth, predicted)) | self._probable(chosen)

    def _probable(self, chosen: NDArray[np.bool_]) -> dict[str, float]:
        """Of the rows that have probabilities, and a label that is one of the model's classes."""
        truth = self._labels[self._scored].astype(np.int32)
        usable = chosen[self._scored] & (truth < self._known) & self._has_all
        return metrics.of_probabilities(truth[usable], self._scores[usable])

    def _positive(self, truth: Codes, predicted: Codes) -> int | None:
        """The class that counts as positive: the second of two; of unknown classes 1, when there are only 0 and 1."""
        if self._known:
            return 1 if self._known == 2 and max(truth.max(initial=0), predicted.max(initial=0)) < 2 else None
        return self._names.get(1) if self._names.keys() <= {0, 1} else None

    def _comparable(self, prediction: Value, label: Value) -> bool:
        texts = isinstance(prediction, str), isinstance(label, str)
        return texts[0] == texts[1] and (self._is_class or not texts[0])

    def _number(self, value: Value) -> int | float:
        return self._names.setdefault(_key(value), len(self._names)) if self._is_class else float(value)


def _key(name: Value) -> Value | bytes:
    """What stands for a class: there may be as many as rows."""
    return hashlib.blake2b(name.encode(), digest_size=16).digest() if isinstance(name, str) and len(name) > _LONGEST_NAME else name
