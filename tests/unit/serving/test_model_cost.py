"""What is measured of a model before it is served."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.golden import Tolerance
from mlsandbox_serving.models import Prediction
from mlsandbox_serving.schema import Columns
from mlsandbox_serving.service.model_cost import NO_COST, Cost, measure, why_alone

ROWS = Columns({"x": [0.05 + 0.1 * number for number in range(20)]}, 20)


class Doubled:
    """A model that answers the double; of rows in company, moved by `company`."""

    def __init__(self, company: float = 0.0, *, labels: bool = False) -> None:
        self.asked: list[int] = []
        self._company = company
        self._labels = labels

    def predict(self, columns: Columns) -> Prediction:
        self.asked.append(columns.rows)
        numbers = 2 * np.array(columns.by_name["x"], dtype=float) + (self._company if columns.rows > 1 else 0.0)
        if not self._labels:
            return Prediction(numbers)
        return Prediction(np.where(numbers > 2.0, "yes", "no"), np.stack([numbers, 1 - numbers], axis=1))


def alone(feed: Any, *, by_class: bool = False, tolerance: Tolerance | None = None) -> str | None:
    return why_alone(feed, ROWS, feed.predict(ROWS), tolerance, by_class=by_class, cost=Cost(0.001))


@pytest.mark.parametrize("company", [0.0, 1e-14])
def test_a_model_that_answers_row_by_row_is_asked_together(company: float) -> None:
    """Rows that are answered alone as in company, but for the last bits, must be answered together."""
    assert alone(Doubled(company)) is None
    assert alone(Doubled(company, labels=True), by_class=True) is None


@pytest.mark.parametrize("labels", [False, True])
def test_a_model_that_looks_at_the_company_is_asked_alone(*, labels: bool) -> None:
    """A model must be asked for each request alone when a row's answer, or its probability, is moved by the rows beside it."""
    reason = alone(Doubled(1e-3, labels=labels), by_class=labels)
    assert reason is not None
    assert "golden row" in reason


def test_the_packages_tolerance_counts() -> None:
    """A difference that the package allows must not keep requests apart."""
    assert alone(Doubled(1e-3), tolerance=Tolerance(rtol=0.0, atol=0.01)) is None


def test_a_slow_model_is_asked_little() -> None:
    """A model that takes a second for a row must be asked for three rows alone, not for all that there are."""
    feed = Doubled()
    assert why_alone(feed, ROWS, Doubled().predict(ROWS), None, by_class=False, cost=Cost(1.0)) is None
    assert feed.asked == [1, 1, 1]


def test_one_golden_row_proves_nothing() -> None:
    """With a single golden row requests must be answered alone."""
    one = Columns({"x": [1.0]}, 1)
    assert why_alone(Doubled(), one, Doubled().predict(one), None, by_class=False, cost=Cost(0.001)) is not None


def test_cost_grows_with_rows() -> None:
    """The time for more rows must be that of one and a share for each further one; of what was not measured it must be endless."""
    assert Cost(0.002, 101, 0.003).seconds(51) == pytest.approx(0.0025)
    assert Cost(0.002).seconds(3) == pytest.approx(0.006)
    assert Cost(0.002, 101, 0.001).seconds(1_000) == 0.002
    assert math.isinf(NO_COST.seconds(1))
    assert (NO_COST.measured(), Cost(0.1).measured(), len(Cost(0.1, 9, 0.2).measured())) == ([], [(1, 0.1)], 2)


def test_both_are_measured() -> None:
    """One row and all of them must be asked for, several times."""
    feed = Doubled()
    cost = measure(feed, ROWS)
    assert set(feed.asked) == {1, 20}
    assert (cost.rows, cost.one > 0, cost.many > 0) == (20, True, True)
