"""What is measured of a model before it is served: how long it takes, and whether its answers depend on the company of other rows.

A model of which a row's answer changes with the rows around it (one that scales by the batch's mean, say) must be asked for each
request alone, or a client would get another answer than the model's own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.golden import Tolerance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlsandbox_serving.models import Prediction
    from mlsandbox_serving.models.feeding import Feed
    from mlsandbox_serving.schema import Columns

_REPEATS: Final = 3
_ALONE: Final = 8
"""Golden rows that are asked for one by one."""
_BUDGET_SECONDS: Final = 0.05
"""A slow model is asked fewer times, so that it starts none the later."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How long a model takes.

    Args:
        one: seconds for one row.
        rows: a number of rows above 1.
        many: seconds for so many.
    """

    one: float
    rows: int = 1
    many: float = 0.0

    def seconds(self, rows: int) -> float:
        """Seconds for so many rows, about: what one takes, and for each further one its share."""
        if self.rows <= 1 or rows <= 1:
            return self.one * max(rows, 1)
        return self.one + max(self.many - self.one, 0.0) / (self.rows - 1) * (rows - 1)

    def measured(self) -> list[tuple[int, float]]:
        """Numbers of rows, and the seconds that they took."""
        if self.one == float("inf"):
            return []
        return [(1, self.one)] if self.rows <= 1 else [(1, self.one), (self.rows, self.many)]


NO_COST: Final = Cost(float("inf"))
"""Nothing was measured: as if it were slow."""


def measure(feed: Feed, rows: Columns) -> Cost:
    """Ask for one row and for all of them, both a few times.

    Args:
        feed: of the model; it has been asked before, so that what is only slow the first time is over.
        rows: golden rows.
    """
    one = _seconds(feed, part(rows, 0, 1))
    return Cost(one) if rows.rows == 1 else Cost(one, rows.rows, _seconds(feed, rows))


def why_alone(feed: Feed, rows: Columns, whole: Prediction, tolerance: Tolerance | None, *, by_class: bool, cost: Cost) -> str | None:
    """Why requests must not be answered together; None when a row is answered alone as it is in company.

    Args:
        feed: of the model.
        rows: golden rows.
        whole: what was answered to all of them together.
        tolerance: of the package; None: that of each answer's dtype.
        by_class: whether labels are classes, which must be equal.
        cost: of the model.
    """
    if rows.rows < 2:
        return "there is only one golden row"
    count = min(rows.rows, _ALONE, max(3, int(_BUDGET_SECONDS / max(cost.one, 1e-9))))
    for index in np.linspace(0, rows.rows - 1, count).astype(int).tolist():
        answer = feed.predict(part(rows, index, index + 1))
        same = _same(answer.labels, whole.labels[index : index + 1], None if by_class else tolerance, exact=by_class)
        if same and whole.probabilities is not None:
            same = answer.probabilities is not None and _same(answer.probabilities, whole.probabilities[index : index + 1], tolerance)
        if not same:
            return f"golden row {index} has another answer alone than among the others"
    return None


def part(columns: Columns, start: int, end: int) -> Columns:
    """Some of the rows."""
    return type(columns)({name: values[start:end] for name, values in columns.by_name.items()}, end - start)


def _seconds(feed: Feed, rows: Columns) -> float:
    times: list[float] = []
    while len(times) < _REPEATS and sum(times) < _BUDGET_SECONDS:
        started = time.perf_counter()
        feed.predict(rows)
        times.append(time.perf_counter() - started)
    return median(times)


def _same(one: NDArray[Any], other: NDArray[Any], tolerance: Tolerance | None, *, exact: bool = False) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f" or exact:
        return bool((one == other).all())
    bound = tolerance or Tolerance.of(one.dtype)
    return bool(np.isclose(one, other, rtol=bound.rtol, atol=bound.atol, equal_nan=True).all())
