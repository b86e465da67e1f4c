"""What is injected, and what is refused before anything is sent."""

from __future__ import annotations

import pytest

from mlsandbox.actions.drift_inject import refuse_uncompared
from mlsandbox.errors import UsageError

from .test_drift_text import model, report


def test_a_column_that_is_not_compared_is_refused() -> None:
    """Nobody would see its drift, so it must be refused, with the reason; what another version leaves out does not count."""
    told = report(model(left_out={"customer_id": "an identifier", "email": "hashed: with a key of this machine"}))

    with pytest.raises(UsageError, match="'customer_id' is not compared") as refused:
        refuse_uncompared(told, "churn", "v2", "customer_id")
    assert refused.value.why == "an identifier."
    for column, version in (("age", "v2"), ("email", "v2"), ("customer_id", "v1")):
        refuse_uncompared(told, "churn", version, column)
