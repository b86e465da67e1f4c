"""Answers in every format, read back with the program that people read it with."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.service.answers import Answers
from mlsandbox_serving.service.codecs import encoder_for
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY

PROBABILITIES = f"{NPY}; content=probabilities"


def answers(predictions: list[Any], probabilities: list[Any] | None = None, classes: Sequence[Any] | None = None) -> Answers:
    return Answers(predictions, probabilities, classes, model="churn", version="v3", request_id="r1")


def csv_of(given: Answers) -> list[list[str]]:
    return list(csv.reader(io.StringIO(encoder_for(CSV)(given).decode(), newline=""), strict=True))


def table_of(given: Answers) -> Any:
    return pa.ipc.open_stream(encoder_for(ARROW)(given)).read_all()


def array_of(given: Answers, accept: str = NPY) -> Any:
    return np.load(io.BytesIO(encoder_for(accept)(given)))


CLASSIFIED = answers(["no", 'a "b", c'], [[0.75, 0.25], [0.125, None]], ("no", 'a "b", c'))


def test_json_is_what_it_was() -> None:
    """The JSON answer must have these keys in this order, and no probabilities where there are none."""
    assert encoder_for(JSON)(answers([1, None])) == b'{"predictions":[1,null],"model":"churn","version":"v3","request_id":"r1"}'
    assert encoder_for(JSON)(answers(["a"], [[1.0]])) == (
        b'{"predictions":["a"],"probabilities":[[1.0]],"model":"churn","version":"v3","request_id":"r1"}'
    )


def test_a_classifier_in_each_format() -> None:
    """Predictions and one column of probabilities per class must be named alike in CSV and Arrow."""
    names = ["prediction", "probability_no", 'probability_a "b", c']

    assert csv_of(CLASSIFIED) == [names, ["no", "0.75", "0.25"], ['a "b", c', "0.125", ""]]
    assert table_of(CLASSIFIED).to_pydict() == dict(zip(names, (["no", 'a "b", c'], [0.75, 0.125], [0.25, None]), strict=True))
    assert table_of(CLASSIFIED).schema.metadata == {b"model": b"churn", b"version": b"v3", b"request_id": b"r1"}
    assert array_of(CLASSIFIED).tolist() == ["no", 'a "b", c']
    np.testing.assert_array_equal(array_of(CLASSIFIED, PROBABILITIES), [[0.75, 0.25], [0.125, math.nan]])


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (None, ["probability_0", "probability_1"]),
        ((1, True), ["probability_1", "probability_true"]),
        ((1.5, 2), ["probability_1.5", "probability_2"]),
        (("1", 1), ["probability_0", "probability_1"]),
        (("a",), ["probability_0", "probability_1"]),
    ],
)
def test_names_of_probabilities(classes: Sequence[Any] | None, names: list[str]) -> None:
    """Classes must name the columns as JSON writes them, and their places where that names two alike."""
    assert csv_of(answers([0], [[0.25, 0.75]], classes))[0] == ["prediction", *names]


@pytest.mark.parametrize(
    ("predictions", "rows", "arrow", "array"),
    [
        ([1, 2], [["prediction"], ["1"], ["2"]], pa.int64(), np.array([1, 2])),
        ([1.5, None], [["prediction"], ["1.5"], [""]], pa.float64(), np.array([1.5, math.nan])),
        ([1, 2.5], [["prediction"], ["1"], ["2.5"]], pa.float64(), np.array([1.0, 2.5])),
        ([True, False], [["prediction"], ["true"], ["false"]], pa.bool_(), np.array([True, False])),
        ([True, None], [["prediction"], ["true"], [""]], pa.bool_(), np.array([1.0, math.nan])),
        ([None], [["prediction"], [""]], pa.float64(), np.array([math.nan])),
        (["x", None], [["prediction"], ["x"], [""]], pa.string(), np.array(["x", ""])),
        (["x", 1, True], [["prediction"], ["x"], ["1"], ["true"]], pa.string(), np.array(["x", "1", "true"])),
        ([2**70], [["prediction"], [str(2**70)]], pa.string(), np.array([str(2**70)])),
        ([[1], [2, 3]], [["prediction"], ["[1]"], ["[2,3]"]], pa.string(), np.array(["[1]", "[2,3]"])),
    ],
)
def test_types_of_predictions(predictions: list[Any], rows: list[list[str]], arrow: Any, array: Any) -> None:
    """Values must have one type per column, and be texts where they have none in common: no answer fails for its format."""
    given = answers(predictions)

    assert csv_of(given) == rows
    assert table_of(given).schema.field("prediction").type == arrow
    found = array_of(given)
    assert (found.dtype.kind, found.shape) == (array.dtype.kind, array.shape)
    np.testing.assert_array_equal(found, array)


def test_several_values_per_row() -> None:
    """A model that answers several values per row must have a column for each, and an array of as many dimensions."""
    given = answers([[1.0, 2.0], [3.0, 4.0]])

    assert csv_of(given) == [["prediction_0", "prediction_1"], ["1.0", "2.0"], ["3.0", "4.0"]]
    assert table_of(given).to_pydict() == {"prediction_0": [1.0, 3.0], "prediction_1": [2.0, 4.0]}
    np.testing.assert_array_equal(array_of(given), [[1.0, 2.0], [3.0, 4.0]])
    assert csv_of(answers([[[1], [2]]]))[0] == ["prediction_0_0", "prediction_1_0"]
    assert array_of(answers([[[1], [2]]])).shape == (1, 2, 1)


def test_probabilities_that_there_are_none_of() -> None:
    """A model without probabilities must answer with rows of none, not with its predictions."""
    found = array_of(answers([1.0, 2.0]), PROBABILITIES)

    assert (found.shape, found.dtype) == ((2, 0), np.float64)


LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8"))
SAME = st.one_of(
    *[
        st.lists(kind, min_size=1, max_size=5)
        for kind in (st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LEAF | st.lists(LEAF, max_size=3), min_size=1, max_size=5))
def test_every_answer_has_every_format(predictions: list[Any]) -> None:
    """Whatever JSON values a model answers, each format must hold one row per prediction."""
    given = answers(predictions)

    assert len(table_of(given).columns) == len(csv_of(given)[0])
    assert len(csv_of(given)) == len(predictions) + 1
    assert table_of(given).num_rows == len(predictions)
    assert len(array_of(given)) == len(predictions)


@settings(max_examples=200, deadline=None)
@given(SAME)
def test_numbers_are_exact(predictions: list[Any]) -> None:
    """Numbers must come back with all of their bits."""
    given = answers(predictions)

    assert json.loads(encoder_for(JSON)(given))["predictions"] == predictions
    assert table_of(given).to_pydict() == {"prediction": predictions}
    assert array_of(given).tolist() == predictions
    assert [json.loads(row[0]) for row in csv_of(given)[1:]] == predictions
