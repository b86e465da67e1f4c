"""Rows that stand apart from the reference, against rows made by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.drift import OutlierMask, Profile, Reason, build_profile
from mlsandbox_serving.drift.outliers import mask

REFERENCE = 1_000


@pytest.fixture(scope="module")
def profile() -> Profile:
    """Ages from 20 to 70, two cities, a column that is often missing, and a name that is different in each row."""
    dice = np.random.default_rng(0)
    return build_profile(
        {
            "age": [20.0, 70.0, *dice.uniform(20, 70, REFERENCE - 2).tolist()],
            "city": dice.choice(["Bern", "Oslo"], REFERENCE).tolist(),
            "rooms": dice.choice([1, 2, 3, 5], REFERENCE).tolist(),
            "phone": [None if number % 4 == 0 else float(number % 201) for number in range(REFERENCE)],
            "name": [f"person {number}" for number in range(REFERENCE)],
        }
    )


def _one(**changed: Any) -> dict[str, list[Any]]:
    return {name: [value] for name, value in {"age": 30.0, "city": "Bern", "rooms": 3, "phone": 10.0, "name": "nobody", **changed}.items()}


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ({}, {}),
        ({"age": 20.0}, {}),
        ({"age": 19.9}, {"age": Reason.OUT_OF_RANGE}),
        ({"age": 70.1}, {"age": Reason.OUT_OF_RANGE}),
        ({"age": None}, {"age": Reason.MISSING}),
        ({"age": math.nan}, {"age": Reason.MISSING}),
        ({"age": math.inf}, {"age": Reason.MISSING}),
        ({"age": "old"}, {"age": Reason.MISSING}),
        ({"city": "Rome"}, {"city": Reason.UNSEEN}),
        ({"city": None}, {"city": Reason.MISSING}),
        ({"city": ["Bern"]}, {"city": Reason.UNSEEN}),
        ({"rooms": 6}, {"rooms": Reason.OUT_OF_RANGE}),
        ({"rooms": 0}, {"rooms": Reason.OUT_OF_RANGE}),
        ({"rooms": 4}, {"rooms": Reason.UNSEEN}),
        ({"rooms": "many"}, {"rooms": Reason.MISSING}),
        ({"phone": None}, {}),
        ({"phone": -1.0}, {"phone": Reason.OUT_OF_RANGE}),
        ({"name": "never seen"}, {}),
        ({"age": 99, "city": "Rome"}, {"age": Reason.OUT_OF_RANGE, "city": Reason.UNSEEN}),
    ],
)
def test_a_row_must_be_flagged_for_what_the_reference_does_not_have(
    profile: Profile, changed: dict[str, Any], reasons: dict[str, Reason]
) -> None:
    """Values out of range, unseen or missing must be named; what the reference has, and identifiers, must not."""
    assert OutlierMask(profile.streams).outlying(_one(**changed)) == ({0: reasons} if reasons else {})


def test_rows_must_be_told_by_their_index(profile: Profile) -> None:
    """Only rows that stand apart must be there; what the reference does not have, as it is private, is not looked at; what is not there
    of what it has is missing.
    """
    columns = {"age": [30.0, 200.0, 30.0], "city": ["Bern", "Oslo"], "rooms": [1, 2, 3], "extra": [1, 2, 3]}
    found = OutlierMask(profile.streams).outlying(columns)
    assert found == {1: {"age": Reason.OUT_OF_RANGE}, 2: {"city": Reason.MISSING}}
    assert OutlierMask(profile.streams).outlying({"city": ["Bern"], "rooms": [1]}) == {0: {"age": Reason.MISSING}}


@pytest.mark.parametrize("columns", [{}, {"age": []}, {"age": 3}, {"age": "text"}])
def test_no_rows_must_be_no_outliers(profile: Profile, columns: dict[str, object]) -> None:
    """Nothing to look at, or what is no column, must not fail."""
    assert OutlierMask(profile.streams).outlying(columns) == {}


def test_the_mask_must_follow_from_cells_alone() -> None:
    """Each value gets the bit of its cell, and one that there is nothing of gets none."""
    odd = [np.array([1, 0, 4, 0], dtype=np.uint8), np.array([0, 2, 0], dtype=np.uint8)]
    cells = np.array([[0, 1], [1, 0], [2, -1], [-1, 1]])
    assert mask(cells, odd).tolist() == [[1, 2], [0, 0], [4, 0], [0, 2]]
