"""What two versions are asked, and what is made of what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlsandbox.actions.diff_asking import ask_both
from mlsandbox.actions.diff_rows import RowsToAsk
from mlsandbox.actions.outcomes import Report
from mlsandbox.actions.replaying import Answered, Request
from mlsandbox.packaging.package import Package
from support.images import Told


def _strict(_package: Package, requests: Iterable[Request], _report: Report) -> Iterator[Answered]:
    """Refuses requests with an age below 0, as a service does: by the number that the row has in the request."""
    for request in requests:
        ages: list[Any] = request.columns["age"]
        faults = [f"row {row}, column 'age': too low" for row, age in enumerate(ages) if age < 0]
        error = {"code": "SCHEMA_MISMATCH", "message": "; ".join(faults)} if faults else None
        yield Answered(request.id, ["no"] * len(ages), error=error)


def test_a_refusal_names_no_row_of_a_question() -> None:
    """A row that is refused must not be called row 0, which it is only where it was asked about alone."""
    package = Package("churn", "v1", "sha256:1", "churn:v1", Path("none"), Path("none"), {})
    rows = tuple({"age": age} for age in (30, -1, 40, -2))
    asked = ask_both(package, package, RowsToAsk("rows.csv", 9, rows, rows, (1, 3, 5, 7), "from 0"), rtol=None, report=Told(), ask=_strict)

    assert [each.message for each in asked.new] == ["", "column 'age': too low", "", "column 'age': too low"]
    assert [asked.number(place) for place in range(4)] == [1, 3, 5, 7]
