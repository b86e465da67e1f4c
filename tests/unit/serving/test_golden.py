"""Golden rows hold a model to what it answered where it was captured."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.golden import Moved, Replay, Tolerance, libraries_text, moved_libraries, reason, replay
from mlsandbox_serving.models import Prediction
from mlsandbox_serving.schema import Column, Output, Schema


class Fixed:
    """A predictor that answers the same whatever it is asked."""

    model: Any = None
    classes: tuple[Any, ...] | None = None

    def __init__(self, labels: Any, probabilities: Any = None) -> None:
        self._prediction = Prediction(np.asarray(labels), None if probabilities is None else np.asarray(probabilities))

    def predict(self, model_input: Any) -> Prediction:
        del model_input
        return self._prediction


def schema_of(kind: str = "number", classes: tuple[Any, ...] | None = None) -> Schema:
    columns = (Column("age", "integer", "int64"), Column("email", "string", "object"))
    return Schema(input="frame", columns=columns, output=Output.from_json({"type": kind, "classes": classes}))


def golden_of(predictions: list[Any], probabilities: Any = None, **more: Any) -> dict[str, Any]:
    count = len(predictions)
    columns = {"age": list(range(count)), "email": [f"canary{row}@example.org" for row in range(count)]}
    return {"columns": columns, "predictions": predictions, "probabilities": probabilities, **more}


def test_equal_answers_are_ok_to_the_bit() -> None:
    """A model that answers just as it did is ok, and every row counts as bit-equal."""
    outcome = replay(Fixed([0.1, 0.2]), schema_of(), golden_of([0.1, 0.2]))

    assert outcome == Replay(rows=2, bit_equal=2, differing=0, differences=())
    assert outcome.ok


def test_last_bits_may_move() -> None:
    """A float within the tolerance is ok, and does not count as bit-equal."""
    outcome = replay(Fixed([0.1, 0.2 * (1 + 1e-12)]), schema_of(), golden_of([0.1, 0.2]))

    assert (outcome.ok, outcome.bit_equal) == (True, 1)


@pytest.mark.parametrize(
    ("dtype", "error", "ok"), [("float64", 1e-8, False), ("float64", 1e-10, True), ("float32", 1e-6, True), ("float32", 1e-3, False)]
)
def test_the_tolerance_follows_the_precision(dtype: str, error: float, *, ok: bool) -> None:
    """Without a tolerance of its own a package allows single precision more than double."""
    outcome = replay(Fixed(np.array([0.5 * (1 + error)], dtype=dtype)), schema_of(), golden_of([0.5]))

    assert outcome.ok is ok


def test_the_packages_tolerance_counts() -> None:
    """The tolerance in golden.json is the one that is used."""
    golden = golden_of([1.0], tolerance={"rtol": 0.1, "atol": 0.0})

    assert replay(Fixed([1.05]), schema_of(), golden).ok
    assert not replay(Fixed([1.2]), schema_of(), golden).ok


def test_labels_must_be_equal() -> None:
    """A label is equal or it is not: no tolerance, and no number for a text."""
    schema = schema_of("class", (0.0, 1.0))

    assert replay(Fixed([0.0, 1.0]), schema, golden_of([0.0, 1.0])).ok
    assert replay(Fixed([0.0, 1.0 + 1e-12]), schema, golden_of([0.0, 1.0])).differing == 1
    assert replay(Fixed(np.array(["1"], dtype=object)), schema, golden_of([1])).differing == 1
    assert replay(Fixed(np.array([True])), schema, golden_of([1])).differing == 1


def test_probabilities_are_compared_too() -> None:
    """Equal labels with other probabilities differ, and the class is named."""
    schema = schema_of("class", ("no", "yes"))
    predictor = Fixed(["no", "yes"], [[0.9, 0.1], [0.3, 0.7]])

    outcome = replay(predictor, schema, golden_of(["no", "yes"], [[0.9, 0.1], [0.2, 0.8]]))

    (difference,) = outcome.differences
    assert (difference.row, difference.output, difference.expected, difference.got) == (1, "probability of 'no'", 0.2, 0.3)
    assert difference.amount == pytest.approx(0.1)


def test_missing_answers_are_equal() -> None:
    """NaN where null was captured is the same answer."""
    assert replay(Fixed([np.nan, 1.0]), schema_of(), golden_of([None, 1.0])).bit_equal == 2
    assert replay(Fixed([0.0, 1.0]), schema_of(), golden_of([None, 1.0])).differing == 1


def test_a_report_is_short_and_hides_what_must_be_hidden() -> None:
    """Of many differing rows a few are shown, as JSON, without the values of hidden columns."""
    outcome = replay(Fixed([0.0] * 50), schema_of(), golden_of([1.0] * 50), hidden={"email"})

    assert (outcome.differing, len(outcome.differences)) == (50, 5)
    text = json.dumps([difference.to_json() for difference in outcome.differences])
    assert "canary" not in text
    assert '"inputs": {"age": 0}' in text


@pytest.mark.parametrize("labels", [[[0.0, 1.0]], [0.0, 0.0]])
def test_another_shape_is_an_error(labels: Any) -> None:
    """A model that answers another number of values is told apart from one that answers other values."""
    with pytest.raises(ValueError, match="shape"):
        replay(Fixed(labels), schema_of("array"), golden_of([0.0]))


def test_several_outputs_are_compared_value_by_value() -> None:
    """Of a model with several numbers per row the one that differs is named."""
    outcome = replay(Fixed([[1.0, 2.0]]), schema_of("array"), golden_of([[1.0, 3.0]]))

    assert [difference.output for difference in outcome.differences] == ["prediction 1"]


def test_moved_libraries_name_both_versions() -> None:
    """The reason names the library with the version at capture and the one here, the model's own libraries first."""
    here = importlib.metadata.version("scikit-learn")
    captured = {"pandas": "0.1", "numpy": importlib.metadata.version("numpy"), "scikit-learn": "1.5.2", "no-such-library": "3.0"}

    moved = moved_libraries(captured, ["scikit-learn"])

    assert [one.name for one in moved] == ["scikit-learn", "pandas", "no-such-library"]
    assert moved[0].text() == f"scikit-learn 1.5.2 when captured, {here} here"
    assert moved[2].text() == "no-such-library 3.0 when captured, not installed here"


def test_the_reason_says_what_differs_and_why() -> None:
    """The reason holds the number of rows, one of them with both values, and the libraries."""
    outcome = replay(Fixed([0.0, 1.0]), schema_of(), golden_of([0.5, 1.0]))

    text = reason(outcome, [Moved("scikit-learn", "1.5.2", "1.6.1")])

    assert text == (
        "1 of 2 golden rows differ from what the model answered where it was captured: "
        "row 0: prediction 0.0, expected 0.5 (difference 0.5). Versions: scikit-learn 1.5.2 when captured, 1.6.1 here"
    )


def test_many_moved_libraries_are_counted() -> None:
    """Of many libraries the first are named and the rest counted."""
    assert libraries_text([Moved(f"library{number}", "1", "2") for number in range(10)]).endswith("; and 2 more")


def test_tolerances_are_the_documented_ones() -> None:
    """The defaults are those of the documentation."""
    assert Tolerance.of(np.dtype("float64")) == Tolerance(1e-9, 1e-12)
    assert Tolerance.of(np.dtype("float32")) == Tolerance(1e-5, 1e-7)
