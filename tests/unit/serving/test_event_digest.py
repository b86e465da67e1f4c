"""The digest of a prediction's event: the same from the event wherever it was kept, another one for every change of what counts."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.contract import Field
from mlsandbox_serving.event_digest import SCHEME, fits
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.log_store.row import to_row
from mlsandbox_serving.prediction_events import PredictionEvents, as_stored
from mlsandbox_serving.record import Facts, Identity, Privacy
from support.prediction_records import Rows, prediction_record

IDENTITY = Identity("churn", "v3", "sha256:abc")
FACTS = Facts("POST", "/predict", "request-1", timestamp=1_700_000_000.25)

_TEXTS = st.text(st.characters(), max_size=12)  # with lone surrogates
_NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1.0, -0.0, 1e-05, 1e16, 1e22, 2**63, 2**64])
_VALUES = st.none() | st.booleans() | _NUMBERS | _TEXTS
_PREDICTIONS = st.recursive(_VALUES | st.dates(), st.lists, max_leaves=5)


def _log_store(record: dict[str, Any]) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(to_row("sandbox.prediction", Event(0, record)).body)
    return stored


def _others_spelling(record: dict[str, Any]) -> dict[str, Any]:
    """As a store gives it that sorts keys and writes the same numbers in other letters."""
    read: dict[str, Any] = json.loads(_spelled(record))
    return read


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_spelled(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_spelled, value))}]"
    return f"{value:.20E}" if isinstance(value, float) else json.dumps(value)


@pytest.mark.parametrize("kept", [_log_store, _others_spelling])
@given(data=st.data())
def test_the_digest_fits_wherever_the_event_was_kept(kept: Callable[[dict[str, Any]], dict[str, Any]], data: st.DataObject) -> None:
    """Of any request the digest in its event must be the one made again of the event that a store gives back."""
    rows = data.draw(st.integers(1, 3))
    columns = Rows(data.draw(st.dictionaries(_TEXTS, st.lists(_VALUES, min_size=rows, max_size=rows), max_size=6)), rows)
    predictions = data.draw(st.lists(_PREDICTIONS, min_size=rows, max_size=rows))
    probabilities = data.draw(st.none() | st.lists(st.lists(st.floats(0, 1), max_size=3), min_size=rows, max_size=rows))
    events = PredictionEvents(IDENTITY, Privacy(inputs=data.draw(st.booleans())), max_rows=data.draw(st.integers(1, 4)), classes=None)
    facts = Facts("POST", "/predict", data.draw(_TEXTS), timestamp=data.draw(st.floats(0, 2**32, exclude_max=True)))

    payload = events.payload(facts, columns, predictions, probabilities)

    event = kept(msgpack.unpackb(payload or b"")[1])
    assert event[Field.EVENT_HASH].startswith(SCHEME)
    assert fits(event) is True


_CHANGES: dict[str, Any] = {
    Field.EVENT_ID: "0" * 32,
    Field.REQUEST_ID: "request-2",
    Field.TIMESTAMP: "2023-11-14T22:13:20.250001Z",
    Field.MODEL: "churns",
    Field.VERSION: "v4",
    Field.DIGEST: "sha256:abd",
    Field.ROWS: 3,
    Field.INPUTS: {"age": [41.0, 20], "plan": ["pro", None]},
    Field.PREDICTIONS: [1, 0],
    Field.PROBABILITIES: [[0.25, 0.75], [0.5, 0.5000000000000001]],
    Field.TRUNCATED: True,
}


@pytest.mark.parametrize(("field", "value"), _CHANGES.items())
def test_a_change_of_what_a_replay_needs_is_noticed(field: str, value: Any) -> None:
    """An event of which one of these says anything else must have another digest."""
    columns: dict[str, list[Any]] = {"age": [41, 20], "plan": ["pro", None]}
    event = prediction_record(IDENTITY, FACTS, columns, [0, 1], [[0.25, 0.75], [0.5, 0.5]])

    assert fits(event) is True
    assert fits(event | {field: value}) is False
    assert fits({name: kept for name, kept in event.items() if name != field}) is False


def test_a_predicted_date_is_digested_as_it_is_kept() -> None:
    """What is no JSON is digested in the form in which it is written, and kept values stay as they are."""
    event = prediction_record(IDENTITY, FACTS, {"age": [41]}, [dt.date(2026, 3, 1)])

    assert event[Field.PREDICTIONS] == ["2026-03-01"] == as_stored([dt.date(2026, 3, 1)]) == as_stored(["2026-03-01"])
    assert fits(event) is True
    assert as_stored([float("inf"), 2**70]) == ["inf", str(2**70)]


def test_an_event_without_a_digest_is_neither() -> None:
    """Of an event that has no digest, or one of another scheme, nothing can be said."""
    event = prediction_record(IDENTITY, FACTS, {"age": [41]}, [1])

    assert fits({name: kept for name, kept in event.items() if name != Field.EVENT_HASH}) is None
    assert fits(event | {Field.EVENT_HASH: "sha3-9:00"}) is None
    assert fits(event | {Field.PREDICTIONS: [2**70]}) is False
