"""What is written about a request, and what never is."""

from __future__ import annotations

import json
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from mlsandbox_serving.contract import Dataset, Field, Header, Origin
from mlsandbox_serving.record import (
    Facts,
    Failure,
    Identity,
    Label,
    Privacy,
    error_event,
    feedback_events,
    id_key,
    instant,
    new_id,
)
from mlsandbox_serving.service.exchange import facts_of

IDENTITY = Identity("churn", "v3", "sha256:abc")
FACTS = Facts("POST", "/predict", "request-1", "0af7651916cd43dd8448eb211c80319c", timestamp=1_700_000_000.25)


def test_requests_of_sandbox_itself_are_marked() -> None:
    """Rows that nobody meant must be told apart by their event, whatever else a client sends as an origin."""
    for sent, kept in ((Origin.INJECTED, {Field.ORIGIN: "inject"}), ("mine", {}), (None, {})):
        facts = facts_of("POST", "/predict", {} if sent is None else {Header.ORIGIN: sent})
        (event,) = feedback_events(IDENTITY, facts, [Label("request-1", 0, 1.0)])
        assert {name: value for name, value in event.items() if name == Field.ORIGIN} == kept


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


@given(st.floats(0, 4e9))
def test_a_time_is_written_to_the_microsecond(timestamp: float) -> None:
    """The text of a time must have one form, and be the same time."""
    text = instant(timestamp)

    assert len(text) == 27
    assert abs(datetime.fromisoformat(text).timestamp() - timestamp) <= 1e-6


def test_guarded_columns_are_invisible() -> None:
    """Messages may show values of unguarded columns only, and of none when inputs are not logged."""
    guarded = Privacy(private=frozenset({"email"}), hashed=frozenset({"id"}))

    assert guarded.visible(["email", "id", "age"]) == {"age"}
    assert Privacy(inputs=False).visible(["age"]) == frozenset()
    assert (guarded.texts, Privacy().texts, Privacy(inputs=False).texts) == (False, True, False)


@given(st.text(st.characters(codec="utf-8")) | st.binary(min_size=15, max_size=17).map(bytes.hex))
def test_ids_that_differ_have_keys_that_differ(name: str) -> None:
    """Whatever an id is, its key must have 16 bytes and be that of no other spelling of it."""
    others = {name.upper(), f" {name}", f"{name} ", name + "0"} - {name}

    assert len(id_key(name)) == 16
    assert id_key(name) not in {id_key(other) for other in others}


def test_ids_of_one_time_lie_side_by_side() -> None:
    """The keys of ids that were made together must sort between those of before and of after."""
    made = [new_id() for _ in range(600)]

    assert all(id_key(name).hex() == name for name in made)
    assert len(set(made)) == 600
    assert len({name[:9] for name in made}) <= 2
