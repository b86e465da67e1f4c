"""What is written about a request, and what never is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.contract import Dataset, Field, Header, Origin
from mlsandbox_serving.record import (
    Facts,
    Failure,
    Identity,
    Label,
    Privacy,
    described,
    error_event,
    feedback_events,
    prediction_event,
    stack_trace,
)
from mlsandbox_serving.service.exchange import facts_of

IDENTITY = Identity("churn", "v3", "sha256:abc")
FACTS = Facts("POST", "/predict", "request-1", "0af7651916cd43dd8448eb211c80319c", timestamp=1_700_000_000.25)
CANARY = "canary@example.org"


def event_of(columns: dict[str, list[Any]], privacy: Privacy, *, max_rows: int = 1_000) -> dict[str, Any]:
    rows = len(next(iter(columns.values())))
    predictions: list[Any] = list(range(rows))
    return prediction_event(
        IDENTITY,
        FACTS,
        columns=columns,
        rows=rows,
        predictions=predictions,
        probabilities=[[0.5, 0.5]] * rows,
        privacy=privacy,
        max_rows=max_rows,
    )


def test_requests_of_sandbox_itself_are_marked() -> None:
    """Rows that nobody meant must be told apart by their event, whatever else a client sends as an origin."""
    scope = {"method": "POST", "path": "/predict"}
    for sent, kept in ((Origin.INJECTED, {Field.ORIGIN: "inject"}), ("mine", {}), (None, {})):
        facts = facts_of(scope, {} if sent is None else {Header.ORIGIN: sent})
        (event,) = feedback_events(IDENTITY, facts, [Label("request-1", 0, 1.0)])
        assert {name: value for name, value in event.items() if name == Field.ORIGIN} == kept


def test_a_prediction_is_recorded_with_the_standard_names() -> None:
    """An event holds who answered what to whom, when and how long it took, under the names of the Elastic Common Schema."""
    event = event_of({"age": [41]}, Privacy())

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
    assert datetime.fromisoformat(event[Field.TIMESTAMP]).timestamp() == FACTS.timestamp
    assert event[Field.EVENT_DURATION] > 0


def test_every_event_has_an_id_of_its_own() -> None:
    """Two events of the same request have two ids."""
    ids = {event_of({"age": [41]}, Privacy())[Field.EVENT_ID] for _ in range(100)}

    assert len(ids) == 100


def test_a_private_column_is_not_written() -> None:
    """A private column is left out, and the others stay."""
    event = event_of({"email": [CANARY], "age": [41]}, Privacy(private=frozenset({"email"})))

    assert event[Field.INPUTS] == {"age": [41]}
    assert CANARY not in json.dumps(event)


def test_a_hashed_column_is_written_as_a_keyed_hash() -> None:
    """A hashed column can be joined on and counted, but not read, nor guessed without the key."""
    columns: dict[str, list[Any]] = {"customer": [CANARY, "other", CANARY, None]}

    first = event_of(columns, Privacy(hashed=frozenset({"customer"}), key=b"k" * 32))[Field.INPUTS]["customer"]
    second = event_of(columns, Privacy(hashed=frozenset({"customer"}), key=b"another key".ljust(32)))[Field.INPUTS]["customer"]

    assert CANARY not in json.dumps(first)
    assert first[0] == first[2] != first[1]
    assert first[3] is None
    assert len(first[0]) == 32
    assert first[0] != second[0]


def test_without_inputs_no_value_is_written() -> None:
    """With inputs switched off an event holds predictions and no inputs."""
    event = event_of({"age": [41]}, Privacy(inputs=False))

    assert Field.INPUTS not in event
    assert event[Field.PREDICTIONS] == [0]


def test_a_large_request_is_cut_and_marked() -> None:
    """Past the limit rows are left out of the event, which says so and how many there were."""
    event = event_of({"age": list(range(10))}, Privacy(), max_rows=3)

    assert (event[Field.ROWS], event[Field.TRUNCATED]) == (10, True)
    assert (event[Field.INPUTS]["age"], event[Field.PREDICTIONS], len(event[Field.PROBABILITIES])) == ([0, 1, 2], [0, 1, 2], 3)


def test_a_failure_is_recorded() -> None:
    """An error event holds status, code, message and traceback."""
    event = error_event(IDENTITY, FACTS, Failure(500, "MODEL_FAILED", "the model failed", "Traceback …"))

    assert (event[Field.EVENT_DATASET], event[Field.EVENT_OUTCOME], event[Field.STATUS]) == (Dataset.ERROR, "failure", 500)
    assert (event[Field.ERROR_CODE], event[Field.ERROR_MESSAGE], event[Field.ERROR_STACK]) == (
        "MODEL_FAILED",
        "the model failed",
        "Traceback …",
    )


def test_long_texts_of_a_client_are_cut() -> None:
    """A path or message of any length makes no event of any length."""
    facts = Facts("GET", "/" + "x" * 100_000, "request-1")

    event = error_event(IDENTITY, facts, Failure(404, "NOT_FOUND", "y" * 100_000, "z" * 100_000))

    assert len(json.dumps(event)) < 30_000


@given(st.text(min_size=1))
def test_an_exceptions_message_stays_out_of_a_guarded_log(secret: str) -> None:
    """Where texts may repeat guarded values, a traceback has frames and names of exceptions, and no message, cause's or note's either."""
    marked = f"<canary {secret}>"
    try:
        try:
            raise KeyError(marked)  # noqa: TRY301 - a cause is what is tested
        except KeyError as cause:
            error = ValueError(f"bad value {marked}")
            error.add_note(marked)
            raise error from cause
    except ValueError as caught:
        guarded, open_ = stack_trace(caught, texts=False), stack_trace(caught, texts=True)
        words = described(caught, texts=False), described(caught, texts=True)

    assert "<canary " not in guarded.replace('f"<canary {secret}>"', "")
    assert "builtins.KeyError (message not logged)" in guarded
    assert "builtins.ValueError (message not logged)" in guarded
    assert "test_record.py" in guarded
    assert marked in open_ or repr(marked)[1:-1] in open_
    assert words == ("ValueError", f"ValueError: bad value {marked}")


def test_guarded_columns_are_invisible() -> None:
    """Messages may show values of unguarded columns only, and of none when inputs are not logged."""
    guarded = Privacy(private=frozenset({"email"}), hashed=frozenset({"id"}))

    assert guarded.visible(["email", "id", "age"]) == {"age"}
    assert Privacy(inputs=False).visible(["age"]) == frozenset()
    assert (guarded.texts, Privacy().texts, Privacy(inputs=False).texts) == (False, True, False)
