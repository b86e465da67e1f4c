"""How events of the drift service read."""

from __future__ import annotations

from mlsandbox.output import Paint
from mlsandbox.views.logs import event_text
from mlsandbox_serving.contract import Dataset, Field

PLAIN = Paint(on=False)


def test_an_alert_must_be_one_line() -> None:
    """It must be told in its own words, with the model that it is about."""
    alert = {
        Field.TIMESTAMP: "T",
        Field.EVENT_DATASET: Dataset.DRIFT,
        Field.MODEL: "churn",
        Field.VERSION: "v3",
        Field.LEVEL: "warning",
        Field.DRIFT_PAGE: True,
        Field.MESSAGE: "drift raised: features, high, age (1.02 sd)",
    }
    assert event_text(alert, PLAIN) == "T  churn v3  drift raised: features, high, age (1.02 sd)"


def test_flagged_rows_must_be_told_with_their_request() -> None:
    """Rows must not read like a prediction, and the request must be named."""
    flagged = {
        Field.TIMESTAMP: "T",
        Field.EVENT_DATASET: Dataset.OUTLIERS,
        Field.MODEL: "churn",
        Field.VERSION: "v3",
        Field.ROWS: 5,
        Field.REQUEST_ID: "id",
        Field.MESSAGE: "1 of 5 rows unlike the reference: row 3: age out of range",
    }
    assert event_text(flagged, PLAIN) == "T  churn v3  1 of 5 rows unlike the reference: row 3: age out of range  id"
