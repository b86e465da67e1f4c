"""What is used of an event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.contract import Dataset, Field
from mlsandbox_serving.drift_sidecar.block import Pending
from mlsandbox_serving.drift_sidecar.event import Result, Rows, read, unpacked
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.forward.messages import Event
from support.drift_service import record

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
_FIELDS = (Field.EVENT_ID, Field.MODEL, Field.VERSION, Field.INPUTS, Field.PREDICTIONS, Field.PROBABILITIES)


def _read(**changes: Any) -> Rows | Result:
    given = {**record(np.random.default_rng(1), "id", 3), **{getattr(Field, name): value for name, value in changes.items()}}
    return read(Event(5, given))


def test_a_prediction_is_used() -> None:
    """Source, columns, predictions and scores must be those of the event."""
    rows = _read(PROBABILITIES=[[0.1, 0.9]] * 3)

    assert isinstance(rows, Rows)
    assert (rows.source, rows.time, rows.length) == (Source("churn", "v1"), 5, 3)
    assert set(rows.columns or {}) == {"age", "income", "city"}
    assert rows.scores == [[0.1, 0.9]] * 3


def test_a_prediction_without_inputs_is_used() -> None:
    """What the model answered can be watched although inputs are not logged."""
    rows = _read(INPUTS=None)

    assert isinstance(rows, Rows)
    assert (rows.columns, rows.length) == (None, 3)


def test_column_names_can_be_shown() -> None:
    """A name that no text may hold must not end what shows it."""
    rows = _read(INPUTS={"\udce9t\ud800": [1, 2, 3]})

    assert isinstance(rows, Rows)
    assert rows.columns == {"?t?": [1, 2, 3]}


@pytest.mark.parametrize(
    "changes",
    [
        {"EVENT_ID": None},
        {"EVENT_ID": ""},
        {"MODEL": 7},
        {"MODEL": "m" * 201},
        {"VERSION": []},
        {"INPUTS": [1, 2]},
        {"INPUTS": {"age": 3}},
        {"INPUTS": {5: [3]}},
        {"PREDICTIONS": "yes"},
        {"PREDICTIONS": ["yes"] * 100_001},
        {"INPUTS": {f"column {number}": [1] * (1 if number else 10_000) for number in range(105)}},
        {"PREDICTIONS": [], "INPUTS": None},
        {"PREDICTIONS": [], "INPUTS": {"age": []}},
    ],
    ids=lambda changes: repr(changes)[:60],
)
def test_what_holds_no_rows_is_malformed(changes: dict[str, Any]) -> None:
    """A prediction that cannot be used must be told apart from what is none."""
    assert _read(**changes) is Result.MALFORMED


@pytest.mark.parametrize(
    ("dataset", "result"),
    [
        (Dataset.FEEDBACK, Result.FEEDBACK),
        (Dataset.ERROR, Result.ERROR),
        ("nginx.access", Result.OTHER),
        (None, Result.OTHER),
        ([], Result.OTHER),
    ],
)
def test_other_events_are_told_apart(dataset: object, result: Result) -> None:
    """By their data set alone."""
    assert _read(EVENT_DATASET=dataset) is result


@given(changes=st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_whatever_a_record_holds_it_is_read_and_kept(changes: dict[str, Any]) -> None:
    """Reading must not fail, what is used must come back out of the journal, and fit into a block."""
    rows = read(Event(1, {**record(np.random.default_rng(1), "id", 3), **changes}))

    if isinstance(rows, Rows):
        back = unpacked(rows.source, rows.key, rows.body)
        assert repr(back) == repr(rows)
        pending = Pending()
        list(pending.add(1, back))
        block = pending.unfinished()
        assert block is None or {len(values) for values in (block.columns or {}).values()} <= {block.rows}
