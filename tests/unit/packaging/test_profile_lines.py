"""What is said of reference rows when a package or a baseline is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from mlsandbox.packaging.profile import profile_lines

USUAL: dict[str, Any] = {
    "rows": 12_034,
    "total": 12_034,
    "refused": 0,
    "why": "",
    "columns": 14,
    "labels": True,
    "left_out": {},
    "unsteady": {},
}


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        ({}, ["reference of 12,034 rows: 14 columns"]),
        ({"rows": 1, "total": 1}, ["reference of 1 row: 14 columns"]),
        ({"columns": 1, "labels": False}, ["reference of 12,034 rows: 1 column, no labels"]),
        (
            {"left_out": {"id": "an identifier: 9 of 9", "email": "private"}},
            ["reference of 12,034 rows: 14 columns, left out: id (an identifier), email (private)"],
        ),
        ({"rows": 200_000, "total": 1_000_000}, ["reference of 200,000 of 1,000,000 rows: 14 columns"]),
        (
            {"rows": 12_033, "refused": 1, "why": "column 'age': is a text, a number is expected"},
            [
                "reference of 12,033 rows: 14 columns",
                "left out of the reference: 1 row that the endpoint would refuse; the first: column 'age': is a text, a number is expected",
            ],
        ),
        (
            {"unsteady": {"features": ["age", "income"], "prediction": ["score"]}},
            [
                "reference of 12,034 rows: 14 columns",
                (
                    "the reference is not stationary, at its end it looks unlike before: age, income, score; "
                    "for features, prediction drift is told without an alert"
                ),
            ],
        ),
    ],
)
def test_rows_are_described(facts: dict[str, Any], lines: list[str]) -> None:
    """What is compared must be one line, and whatever limits it another one."""
    assert profile_lines({**USUAL, **facts}) == lines
