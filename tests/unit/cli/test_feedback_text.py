"""What is shown of a file of labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlsandbox.actions.feedback import FeedbackImport
from mlsandbox.actions.label_rows import LineError
from mlsandbox.output import Paint
from mlsandbox.views.feedback import import_text

RESULT = FeedbackImport(
    Path("labels.csv"), "churn", dry_run=False, lines=9, accepted=1200, without_label=0, unknown=0, refused=0, errors=(), elapsed=1.0
)


def test_what_was_taken_is_one_line() -> None:
    """When all lines are good, one line must say how many."""
    assert import_text(RESULT, Paint(on=False)) == "✓ churn: 1,200 labels of labels.csv taken"


def test_a_dry_run_says_so() -> None:
    """A dry run must not look as if something was sent."""
    assert "nothing was sent" in import_text(replace(RESULT, dry_run=True), Paint(on=False))


def test_what_is_wrong_is_told_by_line() -> None:
    """Lines that could not be used must be named, and those that are not shown counted."""
    result = replace(RESULT, accepted=0, without_label=2, unknown=1, refused=30, errors=(LineError(7, "request_id is missing"),))

    lines = import_text(result, Paint(on=False)).splitlines()

    assert lines[0].startswith("· churn: 0 labels")
    assert lines[1:4] == [
        "  2 lines without a label yet",
        "  1 label that the model has no class for",
        "  30 lines that could not be used:",
    ]
    assert lines[4:] == ["    line 7: request_id is missing", "    and 29 more"]
