"""From how an engine ended to the error that the user reads."""

from __future__ import annotations

import pytest

from mlsandbox.actions.verdicts import verdict
from mlsandbox.engines.base import Outcome, Result, Undone
from mlsandbox.errors import Exit
from mlsandbox_serving.contract import NotReady

LINES = tuple(f"line {number}" for number in range(20))


@pytest.mark.parametrize("code", [NotReady.LOAD_FAILED, "SOMETHING_NEW", None])
def test_refusal_shows_the_last_lines(code: str | None) -> None:
    """A service that refuses must be told with its own reason, the end of its output, and what was done about it."""
    body = {"code": code, "reason": "No module named 'churn_features'"}

    error = verdict(Outcome(Result.REFUSED, "api", "", body, None, LINES, Undone.RESTORED), seconds=120)

    assert error.why.splitlines() == ["No module named 'churn_features'", *LINES, "What ran before runs again."]
    assert "sandbox logs api" in error.fix


@pytest.mark.parametrize(
    ("code", "expected"),
    [(NotReady.GOLDEN_MISMATCH, "GOLDEN_MISMATCH"), (NotReady.MODEL_DIGEST_MISMATCH, "PACKAGE_TAMPERED")],
)
def test_refusal_by_code(code: str, expected: str) -> None:
    """What differs is in the reason of a package that was refused: no output beside it may hide that."""
    body = {"code": code, "reason": "row 3: 0.5, expected 0.6"}

    error = verdict(Outcome(Result.REFUSED, "api", "", body, None, LINES, Undone.STOPPED), seconds=120)

    assert (error.code, error.why) == (expected, "row 3: 0.5, expected 0.6\nNothing was left running.")


def test_crash_shows_the_last_lines() -> None:
    """A service that ended must be told with its exit code and its last lines, at once."""
    error = verdict(Outcome(Result.CRASHED, "shipper", "ended with exit code 1", None, 1, LINES, Undone.STOPPED), seconds=120)

    assert error.what == "shipper stopped while starting (exit 1)"
    assert error.why.splitlines() == ["ended with exit code 1", *LINES, "Nothing was left running."]


def test_timeout_leaves_and_says_so() -> None:
    """What is not ready in time must be named, left to be looked at, and end with 5."""
    error = verdict(Outcome(Result.TIMEOUT, "api", "the model is being loaded", lines=LINES[:15]), seconds=1)

    assert (error.exit, error.what) == (Exit.NOT_READY, "api was not ready within 1 s")
    assert error.why.splitlines() == ["the model is being loaded", *LINES[:15], "It was left running, to be looked at."]
    assert "--timeout 2" in error.fix
