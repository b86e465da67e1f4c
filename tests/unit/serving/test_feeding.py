"""A model is given an array in place of a frame only where it cannot tell, and nobody else can."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler

from mlsandbox_serving.models import Prediction, wrap
from mlsandbox_serving.models.feeding import ArrayFeed, Feed, InputFeed, choose_feed
from mlsandbox_serving.schema import Column, Columns, Output, Schema
from support.toy_data import BINARY, NUMBER, TEXT, THREE, X, assert_same

NAMES = [str(name) for name in X]
FLOATS = Schema(input="frame", columns=tuple(Column(name, "float", "float64") for name in NAMES), output=Output("number"))
GOLDEN = Columns({name: X[name].tolist() for name in NAMES}, len(X))


@pytest.fixture(autouse=True, scope="module")
def _no_counting_of_cores() -> Iterator[None]:
    """scikit-learn starts a program to count the machine's cores, unless it is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        yield


def chosen(model: Any, schema: Schema = FLOATS, golden: Columns | None = GOLDEN) -> Feed:
    return choose_feed(wrap(model)[0], schema, golden)


ARRAYS: dict[str, Any] = {
    "classifier": LogisticRegression().fit(X, TEXT),
    "three classes": LogisticRegression().fit(X, THREE),
    "regressor": LinearRegression().fit(X, NUMBER),
    "forest": RandomForestClassifier(5, random_state=0).fit(X, TEXT),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, TEXT),
    "pipeline of pipelines": make_pipeline("passthrough", make_pipeline(StandardScaler(), PolynomialFeatures()), LinearRegression()).fit(
        X, NUMBER
    ),
    "encoder": make_pipeline(OneHotEncoder(handle_unknown="ignore", dtype=np.float32), LogisticRegression(class_weight={"yes": 2.0})).fit(
        X, TEXT
    ),
    "fitted to an array": LogisticRegression().fit(X.to_numpy(), TEXT),
}


@cache
def chosen_once(name: str) -> Feed:
    return chosen(ARRAYS[name])


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_arrays_give_the_same_bits(name: str) -> None:
    """Fed with arrays, a model must give the bits that it gives with frames, for one row and for many, without a warning."""
    model = ARRAYS[name]

    feed = chosen(model)

    assert isinstance(feed, ArrayFeed)
    plain = InputFeed(wrap(model)[0], FLOATS)
    for rows in (GOLDEN, Columns(GOLDEN.head(1), 1), Columns.of_tuples(FLOATS.names, list(zip(*GOLDEN.head(7).values(), strict=True)))):
        assert_same(feed.predict(rows), plain.predict(rows))


@pytest.mark.parametrize("name", ["classifier", "pipeline", "pipeline of pipelines"])
def test_the_model_stays_as_it_is(name: str) -> None:
    """Choosing must leave the caller's model as it was: its names, its pickle, its answers."""
    model = copy.deepcopy(ARRAYS[name])
    before = pickle.dumps(model)

    chosen(model).predict(GOLDEN)

    assert pickle.dumps(model) == before
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X.rename(columns={"a": "z"}))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=40),
    st.sampled_from(["classifier", "three classes", "regressor", "pipeline"]),
)
def test_rows_that_are_no_golden_rows_give_the_same_bits(rows: list[list[float]], name: str) -> None:
    """Bits must be the same for any rows and any number of them, and not for the golden rows alone."""
    columns = Columns.of_tuples(FLOATS.names, [tuple(row) for row in rows])

    assert_same(chosen_once(name).predict(columns), InputFeed(wrap(ARRAYS[name])[0], FLOATS).predict(columns))


MIXED = Schema(
    input="frame",
    columns=(Column("a", "integer", "int32"), Column("b", "float", "float64"), Column("c", "boolean", "bool")),
    output=Output("number"),
)
MIXED_ROWS = Columns.of_tuples(MIXED.names, [(row % 7, row / 3, row % 2 == 0) for row in range(30)])


def test_integers_and_booleans_are_numbers_too() -> None:
    """A frame of integers, floats and booleans must reach the model as the array of floats that it makes of it."""
    frame = MIXED.to_input(MIXED_ROWS)
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, frame["a"] * 2.0)

    feed = chosen(model, MIXED, MIXED_ROWS)

    assert isinstance(feed, ArrayFeed)
    assert_same(feed.predict(MIXED_ROWS), InputFeed(wrap(model)[0], MIXED).predict(MIXED_ROWS))


class Named(BaseEstimator, TransformerMixin):  # type: ignore[misc]  # scikit-learn has no types
    """The user's own step."""

    def fit(self, X: Any, y: Any = None) -> Named:  # noqa: N803, ARG002 - scikit-learn's names
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return X[["a", "b"]]


def with_frames_inside() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).set_output(transform="pandas").fit(X, TEXT)


class Own(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A class of the user's."""


class AnyPredict:
    """Not of scikit-learn at all."""

    def predict(self, frame: Any) -> Any:
        return frame["a"]


FRAMES: dict[str, Any] = {
    "columns by name": make_pipeline(make_column_transformer((StandardScaler(), ["b", "a"])), LogisticRegression()).fit(X, TEXT),
    "a function": make_pipeline(FunctionTransformer(lambda frame: frame), LogisticRegression()).fit(X, TEXT),
    "a step of the user's": make_pipeline(Named(), LogisticRegression()).fit(X, TEXT),
    "a class of the user's": Own().fit(X, TEXT),
    "plain Python": AnyPredict(),
    "frames between steps": with_frames_inside(),
    "warns": VotingClassifier([("one", LogisticRegression()), ("two", RandomForestClassifier(2, random_state=0))], voting="soft").fit(
        X, BINARY
    ),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_models_that_could_tell_are_given_frames(name: str) -> None:
    """A model that chooses columns by name, hands frames on, is the user's own, or warns, must be given its frame."""
    feed = chosen(FRAMES[name])

    assert isinstance(feed, InputFeed)
    assert_same(feed.predict(GOLDEN), wrap(FRAMES[name])[0].predict(FLOATS.to_input(GOLDEN)))


def test_categories_chosen_by_name_are_given_frames() -> None:
    """Gradient boosting that was told its categories by name must be given its frame."""
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0] * 10, "b": np.arange(30.0)})
    schema = Schema(input="frame", columns=(Column("a", "float", "float64"), Column("b", "float", "float64")), output=Output("number"))
    golden = Columns({name: frame[name].tolist() for name in schema.names}, 30)

    for options, kind in (({"categorical_features": ["a"]}, InputFeed), ({}, ArrayFeed)):
        model = HistGradientBoostingClassifier(max_iter=2, **options).fit(frame, BINARY[:30])
        assert type(chosen(model, schema, golden)) is kind


def test_nothing_is_proven_without_golden_rows() -> None:
    """Without golden rows the model must be given its frame."""
    assert isinstance(chosen(ARRAYS["classifier"], golden=None), InputFeed)


@pytest.mark.parametrize(
    "column",
    [
        Column("d", "float", "float64", nullable=True),
        Column("d", "float", "float32"),
        Column("d", "float", "Float64"),
        Column("d", "integer", "Int64"),
        Column("d", "category", "category", categories=(1.0, 2.0)),
        Column("d", "float", "object"),
    ],
)
def test_frames_that_are_more_than_numbers_stay_frames(column: Column) -> None:
    """A frame with gaps, categories, extension types, or floats of two widths must stay one."""
    schema = Schema(input="frame", columns=(*FLOATS.columns[:3], column), output=Output("number"))

    assert isinstance(chosen(ARRAYS["classifier"], schema), InputFeed)


def test_arrays_that_a_model_was_trained_with_stay_arrays() -> None:
    """A model that was trained with an array must be given the array of its schema."""
    schema = Schema(input="array", columns=FLOATS.columns, output=Output("number"), array_dtype="float64")

    feed = chosen(ARRAYS["fitted to an array"], schema)

    assert isinstance(feed, InputFeed)
    assert_same(feed.predict(GOLDEN), wrap(ARRAYS["fitted to an array"])[0].predict(np.ascontiguousarray(X)))


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: Prediction(np.nextafter(answer.labels, np.inf)),
        lambda answer: Prediction(answer.labels.astype("float32")),
        lambda answer: Prediction(answer.labels[:-1]),
        lambda answer: Prediction(answer.labels, answer.labels[:, None]),
    ],
    ids=["last bit", "dtype", "shape", "probabilities"],
)
@pytest.mark.parametrize("rows", [1, len(X)])
def test_one_bit_decides(change: Any, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that differ with arrays in anything, for all golden rows or for one of them, must leave the model its frame."""
    predict = ArrayFeed.predict

    def other(self: ArrayFeed, columns: Columns) -> Prediction:
        answer = predict(self, columns)
        return change(answer) if columns.rows == rows else answer

    monkeypatch.setattr(ArrayFeed, "predict", other)

    assert isinstance(chosen(ARRAYS["regressor"]), InputFeed)


def test_an_error_with_arrays_leaves_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails on the array must be given its frame; a model that fails on both says so."""
    model = ARRAYS["regressor"]
    monkeypatch.setattr(ArrayFeed, "predict", _fails)
    assert isinstance(chosen(model), InputFeed)
    monkeypatch.setattr(InputFeed, "predict", _fails)
    with pytest.raises(ZeroDivisionError):
        chosen(model)


def _fails(feed: Any, columns: Columns) -> Prediction:
    raise ZeroDivisionError
