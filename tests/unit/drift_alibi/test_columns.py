"""Columns made ready for tests: nothing that would blind a test, or make it alarm for no reason, may be left in them."""

from __future__ import annotations

import numpy as np

from mlsandbox_serving.drift import Kind
from mlsandbox_serving.drift_alibi import Method, Reference, build_reference
from mlsandbox_serving.drift_alibi.columns import Column, columns_to_test
from mlsandbox_serving.drift_alibi.embedding import Embedding
from mlsandbox_serving.drift_alibi.reference import Coder
from support.drift_rows import rows


def _columns(reference: Reference) -> dict[tuple[str, Method], Column]:
    assert reference.table is not None
    found = columns_to_test(Coder(reference.profile).streams, reference.table, 1_000)
    return {(column.name, column.method): column for column in found}


def test_every_column_is_tested_twice(reference: Reference) -> None:
    """Once for its values and once for their being there; missing inputs are a matter of outliers, as with the native engine."""
    columns = _columns(reference)

    assert len(columns) == 20
    assert columns["x0", Method.NUMBERS].kind is Kind.FEATURES
    assert columns["letter", Method.CATEGORIES].kind is Kind.FEATURES
    assert columns["x0", Method.MISSING].kind is Kind.OUTLIERS


def test_missing_and_unknown_values_are_left_out_of_numbers(reference: Reference) -> None:
    """One NaN would blind the test; what is missing must be seen by the other test, and what is unknown by neither."""
    columns = _columns(reference)
    coder = Coder(reference.profile)
    table = np.vstack([coder.table({"x0": [1.0, None, 2.0]}), coder.table(None, ["a"])])

    assert columns["x0", Method.NUMBERS].read(table).tolist() == [1.0, 2.0]
    assert columns["x0", Method.MISSING].read(table).tolist() == [0.0, 1.0, 0.0]


def test_rare_and_unseen_categories_share_a_code() -> None:
    """A chi-squared test of a thousand categories that hardly occur would alarm again and again."""
    random = np.random.default_rng(4)
    names = np.array([f"n{index}" for index in range(1_000)], dtype=object)
    values = np.where(random.random(5_000) < 0.5, "often", names[random.integers(0, 1_000, 5_000)])
    column = _columns(build_reference({"name": values.tolist()}))["name", Method.CATEGORIES]

    unseen = column.read(Coder(build_reference({"name": values.tolist()}).profile).table({"name": ["never", "n1", "often", None]}))

    assert len(np.unique(column.reference)) == 2
    assert unseen[0] == unseen[1] != unseen[2]
    assert len(unseen) == 3


def test_the_reference_knows_a_little_of_what_it_never_saw(reference: Reference) -> None:
    """Of n rows without a missing or new value the next has one with a probability of about 1/(n+1), and not of 0."""
    columns = _columns(reference)

    assert columns["x0", Method.MISSING].reference.sum() == 1
    assert len(columns["colour", Method.CATEGORIES].reference) == 3_001


def test_a_column_without_any_value_is_tested_for_that_alone() -> None:
    """There is nothing to compare values with; that they come at all is a change."""
    columns = _columns(build_reference({"x": [None] * 500, "y": np.random.default_rng(5).standard_normal(500)}))

    assert ("x", Method.MISSING) in columns
    assert ("x", Method.CATEGORIES) not in columns


def test_points_have_one_scale_and_nothing_missing() -> None:
    """A detector of whole rows must get finite numbers, whatever the rows hold."""
    table = rows(np.random.default_rng(6), 1_000)
    reference = build_reference(table | {"huge": np.random.default_rng(7).standard_normal(1_000) * 1e300})
    assert reference.table is not None
    coder = Coder(reference.profile)
    embedding = Embedding(coder.streams, reference.table)
    odd = coder.table({"x0": [None, 1e308], "huge": [-1e308, None], "letter": ["a", None], "colour": ["purple", "red"]})

    points = embedding.points(odd)

    assert np.isfinite(points.astype(np.float32)).all()
    assert abs(embedding.numbers(reference.table)[:, 0].std() - 1) < 0.1
    assert np.isfinite(embedding.ordinary(odd)).all()
    assert np.isfinite(embedding.codes(odd)).all()
    assert embedding.is_incomplete(odd).tolist() == [True, True]
    assert len(embedding.known(np.vstack([odd, coder.table(None, ["a"])]))) == 2 or not coder.table(None, ["a"]).size


def test_rows_that_depend_on_each_other_are_compared_some_apart() -> None:
    """Ten rows that are nearly the same say little more than one; each column has a stride of its own."""
    random = np.random.default_rng(8)
    slow = np.zeros(4_000)
    for row in range(1, len(slow)):
        slow[row] = 0.9 * slow[row - 1] + random.standard_normal()
    reference = build_reference({"slow": slow, "fast": random.standard_normal(4_000)})
    columns = _columns(reference)
    window = Coder(reference.profile).table({"slow": slow[:1_000], "fast": slow[:1_000]})

    stride = columns["slow", Method.NUMBERS].stride
    assert stride > 5
    assert len(columns["slow", Method.NUMBERS].read(window)) == len(columns["slow", Method.MISSING].read(window)) == -(-1_000 // stride)
    assert len(columns["slow", Method.NUMBERS].reference) == -(-4_000 // stride)
    assert len(columns["fast", Method.NUMBERS].read(window)) == 1_000
