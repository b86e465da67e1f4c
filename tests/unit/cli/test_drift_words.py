"""The words behind `sandbox drift`."""

from __future__ import annotations

import pytest

from mlsandbox.cli.drift_words import Meant, check_options, meant
from mlsandbox.errors import UsageError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Meant("check", None, None)),
        (["churn"], Meant("check", "churn", None)),
        (["check", "churn"], Meant("check", "churn", None)),
        (["inject"], Meant("inject", None, None)),
        (["baseline"], Meant("baseline", None, None)),
        (["baseline", "churn"], Meant("baseline", "churn", None)),
        (["baseline", "set"], Meant("baseline", None, "set")),
        (["baseline", "reset", "churn"], Meant("baseline", "churn", "reset")),
        (["check", "set"], Meant("check", "set", None)),
    ],
)
def test_words(words: list[str], expected: Meant) -> None:
    """Without a word drift is checked; set and reset belong to baseline; what else comes names a model."""
    assert meant(words) == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare", "churn"], "drift cannot compare"),
        (["report", "churn", "fraud"], "churn fraud is more than the name of a model"),
        (["baseline", "set", "churn", "fraud"], "churn fraud is more than the name of a model"),
    ],
)
def test_odd_words(words: list[str], says: str) -> None:
    """What it cannot do must be said, with what it can."""
    with pytest.raises(UsageError, match=says) as refused:
        meant(words)
    assert "sandbox drift" in refused.value.fix


def test_options_of_something_else() -> None:
    """An option must be refused where it would do nothing."""
    owners: dict[str, dict[str, object]] = {"check": {"--fail-on-drift": False}, "baseline set": {"--from": "rows.csv"}}

    check_options(meant(["baseline", "set"]), owners)
    with pytest.raises(UsageError, match="--from belongs to baseline set, not to baseline reset"):
        check_options(meant(["baseline", "reset"]), owners)
    with pytest.raises(UsageError, match="--from belongs to baseline set, not to check"):
        check_options(meant([]), owners)
