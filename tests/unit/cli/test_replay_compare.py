"""What is said of a logged prediction and of what its package says again."""

from __future__ import annotations

from typing import Any

import pytest

from mlsandbox.actions.replay_compare import Replayed, Verdict, compared, tampered, why_not
from mlsandbox.actions.replaying import Answered
from mlsandbox_serving.contract import Field, Finder

BOUND = {"rtol": 1e-9, "atol": 1e-12}
EVENT: dict[str, Any] = {
    Field.EVENT_ID: "e",
    Field.REQUEST_ID: "r",
    Field.TIMESTAMP: "2026-03-01T10:00:00.000000Z",
    Field.MODEL: "churn",
    Field.VERSION: "v1",
    Field.DIGEST: "sha256:abc",
    Field.ROWS: 2,
    Field.INPUTS: {"age": [41.0, 20.0]},
    Field.PREDICTIONS: ["no", "yes"],
    Field.PROBABILITIES: [[0.75, 0.25], [0.4, 0.6]],
    Finder.FITS: True,
}


def _compared(predictions: list[Any], probabilities: Any = None, *, logged: dict[str, Any] | None = None, exact: bool = True) -> Replayed:
    tolerance = {"predictions": None if exact else BOUND, "probabilities": BOUND}
    return compared(EVENT | (logged or {}), Answered(0, predictions, probabilities, 0.1, tolerance), ["no", "yes"])


def test_the_same_answer_is_equal() -> None:
    """Every value as it was logged must be called equal."""
    result = _compared(["no", "yes"], [[0.75, 0.25], [0.4, 0.6]])

    assert (result.verdict, result.compared, result.why, result.differences) == (Verdict.EQUAL, 2, "", ())


def test_the_last_bits_are_within_the_tolerance() -> None:
    """A probability that is off by less than the package allows must be told apart from an equal one, and not be bad."""
    assert _compared(["no", "yes"], [[0.75, 0.25], [0.4, 0.6 + 1e-12]]).verdict is Verdict.WITHIN


def test_another_answer_is_told_with_its_row_and_numbers() -> None:
    """A value past the tolerance must be told with row, output, both values, how far apart, and the inputs of the row."""
    result = _compared(["no", "no"], [[0.75, 0.25], [0.5, 0.5]])

    assert (result.verdict, result.differing) == (Verdict.DIFFERENT, 3)
    label, first = result.differences[:2]
    assert (label.row, label.output, label.logged, label.replayed, label.delta) == (1, "prediction", "yes", "no", None)
    assert (first.output, first.logged, first.replayed) == ("probability of 'no'", 0.4, 0.5)
    assert first.delta == pytest.approx(0.1)
    assert first.inputs == {"age": 20.0}


@pytest.mark.parametrize(
    ("logged", "now", "verdict"),
    [
        ([1, 0], [1, 0], Verdict.EQUAL),
        ([1.0, 0.0], [1, 0], Verdict.EQUAL),
        ([True, False], [1, 0], Verdict.DIFFERENT),
        ([None, 0.5], [None, 0.5], Verdict.EQUAL),
        ([None, 0.5], [0.5, 0.5], Verdict.DIFFERENT),
        ([0.5, 0.5], [0.5 + 1e-11, 0.5], Verdict.WITHIN),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0 + 1e-11]], Verdict.WITHIN),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0]], Verdict.DIFFERENT),
        ([1.0, 2.0], [1.0], Verdict.DIFFERENT),
        ([1.0, 2.0], [1.0, float("inf")], Verdict.DIFFERENT),
    ],
)
def test_numbers_are_compared_as_the_package_allows(logged: list[Any], now: list[Any], verdict: Verdict) -> None:
    """Of an answer in numbers its tolerance must decide; what is missing, true or of another form is no number."""
    assert _compared(now, logged={Field.PREDICTIONS: logged, Field.PROBABILITIES: None}, exact=False).verdict is verdict


def test_a_refusal_now_is_a_difference() -> None:
    """Rows that were answered and are refused now must count as different, with the reason."""
    answer = Answered(0, error={"code": "MODEL_FAILED", "message": "the model failed with KeyError"})

    result = compared(EVENT, answer, None)

    assert result.verdict is Verdict.DIFFERENT
    assert "MODEL_FAILED" in result.why


def test_of_a_cut_event_only_what_was_logged_is_compared() -> None:
    """Of a request with more rows than were logged the verdict must say of which rows it is."""
    result = _compared(["no", "yes"], [[0.75, 0.25], [0.4, 0.6]], logged={Field.ROWS: 5_000, Field.TRUNCATED: True})

    assert (result.verdict, result.compared, result.rows) == (Verdict.EQUAL, 2, 5_000)
    assert result.why == "the first 2 of 5000 rows, which alone were logged"


@pytest.mark.parametrize(
    ("change", "guarded", "told"),
    [
        ({Field.INPUTS: None}, [], "inputs were not logged"),
        ({Field.PREDICTIONS: None}, [], "predictions are not"),
        ({}, ["email"], "column email is logged as a hash, or not at all"),
        ({Field.INPUTS: {"age": [1.0]}}, [], "as many rows"),
        ({Field.INPUTS: {"wage": [1.0, 2.0]}}, [], "columns in the event are not those"),
    ],
)
def test_what_cannot_be_asked_again_says_why(change: dict[str, Any], guarded: list[str], told: str) -> None:
    """An event without what a replay needs must be told as such, with the reason."""
    assert told in str(why_not(EVENT | change, guarded, ["age"]))


def test_a_changed_event_is_told_before_anything_is_run() -> None:
    """An event whose digest does not fit is tampered, and one without a digest if its package writes them; else nobody can say."""
    changed = tampered(EVENT | {Finder.FITS: False}, has_digest=False)

    assert changed is not None
    assert changed.verdict is Verdict.TAMPERED
    assert tampered(EVENT, has_digest=False) is tampered(EVENT | {Finder.FITS: None}, has_digest=False) is None
    assert "taken out" in getattr(tampered(EVENT | {Finder.FITS: None}, has_digest=True), "why", "")
    assert why_not(EVENT, [], ["age"]) is None
