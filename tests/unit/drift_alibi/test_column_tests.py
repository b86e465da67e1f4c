"""What a test says is taken for what it is: a p-value that is no number is no word on drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift_alibi import Reference, WrongColumns
from mlsandbox_serving.drift_alibi.column_tests import ColumnTests
from mlsandbox_serving.drift_alibi.columns import columns_to_test
from mlsandbox_serving.drift_alibi.reference import Coder


class Blind:
    """A library whose tests of numbers have lost their sight, and of which one fails."""

    class TabularDrift:
        """As alibi-detect's, with a NaN in its column."""

        def __init__(self, *_: Any, **arguments: Any) -> None:
            self._numeric = not arguments["categories_per_feature"]

        def predict(self, *_: Any, **__: Any) -> dict[str, Any]:
            """No number for numbers."""
            found = np.array([np.nan if self._numeric else 1.0])
            return {"data": {"p_val": found, "distance": found}}


def _tests(reference: Reference) -> ColumnTests:
    assert reference.table is not None
    streams = Coder(reference.profile).streams
    return ColumnTests(Blind, columns_to_test(streams, reference.table, 1_000), len(streams), 1e-3)


def test_a_p_value_that_is_no_number_is_an_error(reference: Reference) -> None:
    """It must be told by name, and never stand among the results as a column that has not drifted."""
    assert reference.table is not None
    results, problems = _tests(reference).compare(reference.table[:100])

    assert problems == {f"x{index}": "its p-value is no number" for index in range(8)}
    assert len(results) == 12
    assert not [result for result in results if result.p_value != 1.0]


def test_a_window_of_other_columns_is_refused(reference: Reference) -> None:
    """A column too many would be ignored without a word, one too few would shift all others."""
    assert reference.table is not None
    for table in (reference.table[:, :-1], np.hstack([reference.table, reference.table])):
        with pytest.raises(WrongColumns):
            _tests(reference).compare(table)
