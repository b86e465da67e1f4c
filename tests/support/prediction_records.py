"""What a service writes about a prediction, read back out of the bytes that go into its spool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from mlsandbox_serving.prediction_events import PredictionEvents
from mlsandbox_serving.record import Facts, Identity, Privacy


@dataclass(frozen=True)
class Rows:
    """Checked rows in their plainest form."""

    by_name: Mapping[str, list[Any]]
    rows: int

    def head(self, rows: int) -> dict[str, list[Any]]:
        """The first rows."""
        return {name: values[:rows] for name, values in self.by_name.items()}


def prediction_record(
    identity: Identity,
    facts: Facts,
    columns: Mapping[str, list[Any]],
    predictions: list[Any],
    probabilities: list[Any] | None = None,
    *,
    privacy: Privacy | None = None,
    max_rows: int = 1_000,
    classes: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """The record of the event; every prediction is that of one row."""
    events = PredictionEvents(identity, privacy or Privacy(), max_rows=max_rows, classes=classes)
    payload = events.payload(facts, Rows(columns, len(predictions)), predictions, probabilities)
    assert payload is not None
    return record_of(payload)


def record_of(payload: bytes) -> dict[str, Any]:
    """The record of an entry."""
    record: dict[str, Any] = msgpack.unpackb(payload)[1]
    return record
