"""The bytes of a prediction's event: the same event as the plain way would make of it, whatever is in it, and nothing that is private."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import msgpack
import pytest
from fluent.sender import EventTime
from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving import prediction_events
from mlsandbox_serving.contract import ECS_VERSION, Dataset, Field, Origin
from mlsandbox_serving.event_digest import SCHEME
from mlsandbox_serving.prediction_events import PredictionEvents
from mlsandbox_serving.record import Facts, Identity, Privacy, instant
from mlsandbox_serving.spool.entry import encode
from support.prediction_records import Rows, prediction_record, record_of

IDENTITY = Identity("churn", "v3", "sha256:abc")
FACTS = Facts("POST", "/predict", "request-1", "0af7651916cd43dd8448eb211c80319c", timestamp=1_700_000_000.25)
CANARY = "canary@example.org"

_LATEST = 2.0**32 - 1
_TEXTS = st.text(st.characters(), max_size=20)  # with lone surrogates
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS
_PREDICTIONS = st.recursive(_SCALARS | st.dates() | st.datetimes(timezones=st.none() | st.just(dt.UTC)), st.lists, max_leaves=5)


@st.composite
def _facts(draw: st.DrawFn) -> Facts:
    return Facts(
        draw(st.sampled_from(["POST", "PUT"])),
        draw(_TEXTS | st.just("/" + "x" * 1000)),
        draw(_TEXTS),
        draw(st.none() | _TEXTS),
        timestamp=draw(st.floats(0, _LATEST, exclude_max=True) | st.integers(0, 2**32 - 2).map(float)),
        origin=draw(st.none() | st.sampled_from(sorted(Origin.ALL))),
    )


def _expected(facts: Facts, columns: Rows, predictions: list[Any], probabilities: list[Any] | None, made: dict[str, Any]) -> dict[str, Any]:
    """The event field by field; `made` has how these are to be written."""
    privacy, limit, classes = made["privacy"], made["max_rows"], made["classes"]
    record = {
        Field.TIMESTAMP: instant(facts.timestamp),
        Field.ECS_VERSION: ECS_VERSION,
        Field.EVENT_KIND: "event",
        Field.EVENT_DATASET: Dataset.PREDICTION,
        Field.EVENT_OUTCOME: "success",
        Field.SERVICE_NAME: IDENTITY.model,
        Field.SERVICE_VERSION: IDENTITY.version,
        Field.REQUEST_ID: facts.request_id,
        Field.METHOD: facts.method,
        Field.STATUS: 200,
        Field.PATH: facts.path[:256],
        Field.MODEL: IDENTITY.model,
        Field.VERSION: IDENTITY.version,
        Field.DIGEST: IDENTITY.digest,
        Field.ROWS: columns.rows,
        Field.PREDICTIONS: predictions[:limit],
        Field.TRUNCATED: columns.rows > limit,
    }
    if facts.trace_id is not None:
        record[Field.TRACE_ID] = facts.trace_id
    if facts.origin is not None:
        record[Field.ORIGIN] = facts.origin
    if privacy.inputs:
        record[Field.INPUTS] = privacy.protected(columns.by_name, limit)
    if probabilities is not None:
        record[Field.PROBABILITIES] = probabilities[:limit]
    if classes is not None:
        record[Field.CLASSES] = classes if probabilities is not None or len(classes) <= 100 else []
    return record


@given(st.data())
def test_an_event_is_what_the_plain_way_makes_of_it(data: st.DataObject) -> None:
    """Of any request the cheap way must write the bytes' worth of the same record and time as the way of all other events."""
    rows = data.draw(st.integers(1, 4))
    columns = Rows(data.draw(st.dictionaries(_TEXTS, st.lists(_SCALARS, min_size=rows, max_size=rows), max_size=20)), rows)
    predictions = data.draw(st.lists(_PREDICTIONS, min_size=rows, max_size=rows))
    probabilities = data.draw(st.none() | st.lists(st.lists(st.floats(0, 1), max_size=3), min_size=rows, max_size=rows))
    guarded = st.frozensets(st.sampled_from(sorted(columns.by_name) or [""]))
    made: dict[str, Any] = {
        "privacy": Privacy(data.draw(guarded), data.draw(guarded), b"k" * 32, data.draw(st.booleans())),
        "max_rows": data.draw(st.integers(1, 5)),
        "classes": data.draw(st.none() | st.sampled_from([[], ["no", "yes"], list(range(101))])),
    }
    facts = data.draw(_facts())

    payload = PredictionEvents(IDENTITY, **made).payload(facts, columns, predictions, probabilities)

    assert payload is not None
    time, record = msgpack.unpackb(payload)
    assert len(record.pop(Field.EVENT_ID)) == 32
    assert record.pop(Field.EVENT_DURATION) > 0
    assert record.pop(Field.EVENT_HASH).startswith(SCHEME)
    assert [time, record] == msgpack.unpackb(encode(_expected(facts, columns, predictions, probabilities, made), facts.timestamp))
    assert time == EventTime(facts.timestamp)


@pytest.mark.parametrize("timestamp", [-1.0, 2.0**32, math.nan, math.inf])
def test_an_event_out_of_time_is_none(timestamp: float) -> None:
    """A time that the protocol cannot tell must give no bytes, and raise nothing."""
    facts = Facts("POST", "/predict", "request-1", timestamp=timestamp)

    assert PredictionEvents(IDENTITY, Privacy(), max_rows=1, classes=None).payload(facts, Rows({}, 1), [1], None) is None


def test_an_event_that_cannot_be_text_is_none() -> None:
    """An object that cannot even be turned into text must give no bytes, and raise nothing."""

    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert PredictionEvents(IDENTITY, Privacy(), max_rows=1, classes=None).payload(FACTS, Rows({}, 1), [Silent()], None) is None


def test_usual_events_take_the_cheap_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a request usually holds must not be packed the slow way."""
    events = PredictionEvents(IDENTITY, Privacy(), max_rows=10, classes=["no", "yes"])
    monkeypatch.delattr(prediction_events, "packed")
    columns = Rows({"age": [41.5, None], "plan": ["pro", "basic"], "children": [1, 2], "member": [True, False]}, 2)

    for predictions in (["yes", "no"], [1, 2], [0.5, None], [[1.0, 2.0], [3.0, 4.0]]):
        assert events.payload(FACTS, columns, predictions, [[0.1, 0.9]] * 2) is not None


def test_a_prediction_is_recorded_with_the_standard_names() -> None:
    """An event holds who answered what to whom, when and how long it took, under the names of the Elastic Common Schema."""
    event = prediction_record(IDENTITY, FACTS, {"age": [41]}, [0])

    assert {name: event[name] for name in (Field.EVENT_DATASET, Field.EVENT_OUTCOME, Field.STATUS, Field.REQUEST_ID, Field.TRACE_ID)} == {
        Field.EVENT_DATASET: Dataset.PREDICTION,
        Field.EVENT_OUTCOME: "success",
        Field.STATUS: 200,
        Field.REQUEST_ID: "request-1",
        Field.TRACE_ID: "0af7651916cd43dd8448eb211c80319c",
    }
    assert (event[Field.MODEL], event[Field.VERSION], event[Field.DIGEST]) == ("churn", "v3", "sha256:abc")
    assert (event[Field.ROWS], event[Field.INPUTS], event[Field.PREDICTIONS], event[Field.TRUNCATED]) == (1, {"age": [41]}, [0], False)
    assert event[Field.TIMESTAMP] == "2023-11-14T22:13:20.250000Z"
    assert event[Field.EVENT_DURATION] > 0


def test_every_event_has_an_id_of_its_own() -> None:
    """Two events of the same request have two ids."""
    events = PredictionEvents(IDENTITY, Privacy(), max_rows=1, classes=None)
    payloads = [events.payload(FACTS, Rows({"age": [41]}, 1), [0], None) for _ in range(1000)]

    assert len({record_of(payload or b"")[Field.EVENT_ID] for payload in payloads}) == 1000


def test_a_private_column_is_not_written() -> None:
    """A private column is left out, and the others stay."""
    event = prediction_record(IDENTITY, FACTS, {"email": [CANARY], "age": [41]}, [0], privacy=Privacy(private=frozenset({"email"})))

    assert event[Field.INPUTS] == {"age": [41]}
    assert CANARY not in json.dumps(event)


def test_a_hashed_column_is_written_as_a_keyed_hash() -> None:
    """A hashed column can be joined on and counted, but not read, nor guessed without the key."""
    columns: dict[str, list[Any]] = {"customer": [CANARY, "other", CANARY, None]}

    def hashed(key: bytes) -> list[Any]:
        event = prediction_record(IDENTITY, FACTS, columns, [0] * 4, privacy=Privacy(hashed=frozenset({"customer"}), key=key))
        written: list[Any] = event[Field.INPUTS]["customer"]
        return written

    first, second = hashed(b"k" * 32), hashed(b"another key".ljust(32))

    assert CANARY not in json.dumps(first)
    assert first[0] == first[2] != first[1]
    assert first[3] is None
    assert len(first[0]) == 32
    assert first[0] != second[0]


def test_without_inputs_no_value_is_written() -> None:
    """With inputs switched off an event holds predictions and no inputs."""
    event = prediction_record(IDENTITY, FACTS, {"age": [41]}, [0], privacy=Privacy(inputs=False))

    assert Field.INPUTS not in event
    assert event[Field.PREDICTIONS] == [0]


def test_a_large_request_is_cut_and_marked() -> None:
    """Past the limit rows are left out of the event, which says so and how many there were."""
    event = prediction_record(IDENTITY, FACTS, {"age": list(range(10))}, list(range(10)), [[0.5, 0.5]] * 10, max_rows=3)

    assert (event[Field.ROWS], event[Field.TRUNCATED]) == (10, True)
    assert (event[Field.INPUTS]["age"], event[Field.PREDICTIONS], len(event[Field.PROBABILITIES])) == ([0, 1, 2], [0, 1, 2], 3)
