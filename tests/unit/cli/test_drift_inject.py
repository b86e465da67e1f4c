"""What is injected, and what is refused before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlsandbox.actions.drift_inject import refuse_uncompared
from mlsandbox.actions.drift_send import Injection
from mlsandbox.errors import UsageError
from mlsandbox.output import Paint
from mlsandbox.views.drift import injection_text

from .test_drift_text import model, report

PLAIN = Paint(on=False)


def test_a_column_that_is_not_compared_is_refused() -> None:
    """Nobody would see its drift, so it must be refused, with the reason; what another version leaves out does not count."""
    told = report(model(left_out={"customer_id": "an identifier", "email": "hashed: with a key of this machine"}))

    with pytest.raises(UsageError, match="'customer_id' is not compared") as refused:
        refuse_uncompared(told, "churn", "v2", "customer_id")
    assert refused.value.why == "an identifier."
    for column, version in (("age", "v2"), ("email", "v2"), ("customer_id", "v1")):
        refuse_uncompared(told, "churn", version, column)


def test_what_was_injected() -> None:
    """What was sent, changed and refused must be told, and where to look."""
    done = Injection(
        "churn",
        "v2",
        "age",
        "1sd",
        "the reference train.csv",
        9_000,
        12_000,
        3_000,
        2_950,
        2_900,
        10,
        {"too large": 10},
        30.0,
        "http://g/d",
    )

    assert injection_text(done, PLAIN) == (
        "✓ 2,950 rows were sent to churn v2 in 30s, drawn from the reference train.csv (9,000 of its 12,000 rows), "
        "column age changed by 1sd\n"
        "  in 2,900 of them the value is another one than in the reference\n"
        "  10 rows were refused by the endpoint, and are not compared:\n"
        "    10: too large\n"
        "  3,000 were meant to be sent: the endpoint did not answer fast enough\n"
        "\n"
        "  Look  sandbox drift churn     the rows are there some seconds after they were sent\n"
        "        http://g/d"
    )
    assert injection_text(replace(done, dry_run=True), PLAIN).endswith("nothing was sent")
