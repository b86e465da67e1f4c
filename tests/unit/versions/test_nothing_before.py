"""What is said when there is no version to roll back to."""

from __future__ import annotations

import pytest

from mlsandbox.actions.rollback import nothing_before
from mlsandbox.ledger import Action, Entry


def entry(sequence: int, action: Action, version: str) -> Entry:
    return Entry(sequence, f"2026-11-03T10:00:0{sequence}.000Z", action, "churn", version, f"sha256:{version}", "ada@mill")


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        ([(Action.DEPLOYED, "v1")], "No other version ever answered."),
        (
            [(Action.DEPLOYED, "v1"), (Action.PROMOTED, "v2"), (Action.ROLLED_BACK, "v1")],
            "Those that answered before were rolled back from.",
        ),
        (
            [(Action.DEPLOYED, "v0"), (Action.DEPLOYED, "v1"), (Action.REMOVED, "v0")],
            "v0 was removed at 2026-11-03T10:00:02.000Z by ada@mill.",
        ),
    ],
)
def test_why_there_is_nothing(happened: list[tuple[Action, str]], why: str) -> None:
    """It must be said whether none ever answered, was rolled back from, or was removed; and what can be done."""
    error = nothing_before([entry(index, *each) for index, each in enumerate(happened)], "churn", "v1")

    assert error.why == why
    assert "no version of churn to go back to from v1" in error.what
    assert "sandbox promote VERSION" in error.fix
