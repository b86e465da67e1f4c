"""What live rows are compared with, as people read it."""

from __future__ import annotations

from dataclasses import replace

from mlsandbox.actions.drift_baseline import ReferenceInUse
from mlsandbox.output import Paint
from mlsandbox.views.baseline import change_text, references_text

PLAIN = Paint(on=False)
PROFILE = {"rows": 12_034, "columns": 14, "labels": True, "left_out": {"id": "an identifier: 9 of 9"}, "unsteady": {}}
PACKAGED = ReferenceInUse("churn", "v3", "package", "the reference of v3", PROFILE)
KEPT = ReferenceInUse("churn", "v3", "baseline", "rows.parquet", PROFILE, "2026-11-26T12:00:00Z", "churn/baseline")


def test_each_kind_of_reference() -> None:
    """Where the rows are from, what is compared and what is not must be said, and how to have another reference."""
    learned = ReferenceInUse("fraud", "v1", "live", "there are no reference rows", {})

    assert references_text([PACKAGED, learned], PLAIN) == (
        "churn v3 · 12,034 rows of the reference of v3\n"
        "  14 columns, labels\n"
        "  left out: id (an identifier: 9 of 9)\n"
        "\n"
        "fraud v1 · the first live rows, since there are no reference rows\n"
        "  give it one: sandbox drift baseline set --from FILE"
    )
    assert references_text([KEPT], PLAIN).splitlines()[-1] == (
        "  kept in churn/baseline since 2026-11-26T12:00:00Z; back to the package's own: sandbox drift baseline reset churn"
    )


def test_what_must_not_be_overlooked() -> None:
    """A reference that is not stationary and a baseline that is not used must each have a line."""
    odd = replace(PACKAGED, profile={**PROFILE, "unsteady": {"features": ["age", "income"]}}, unused="the baseline of churn is not used")

    text = references_text([odd], PLAIN)

    assert "  not stationary, so features raises no alert: age, income" in text
    assert "  attention: the baseline of churn is not used" in text


def test_changes() -> None:
    """What was changed, what the running stack knows of it, and that a dry run changed nothing must be said."""
    done = replace(KEPT, change="set", running="the drift service compares with it")

    assert change_text(done, PLAIN) == (
        "✓ 12,034 rows from rows.parquet are compared with from now on, kept in churn/baseline\n  the drift service compares with it"
    )
    logged = replace(done, attention="rows.npz holds logged requests")
    assert change_text(logged, PLAIN).splitlines()[-1] == "  attention: rows.npz holds logged requests"
    assert change_text(replace(done, dry_run=True), PLAIN) == "12,034 rows from rows.parquet would become the baseline; nothing was changed"
    assert change_text(replace(PACKAGED, change="reset", running="the stack is not running"), PLAIN).splitlines()[0] == (
        "✓ the baseline of churn is gone; compared with again: 12,034 rows of the reference of v3"
    )
