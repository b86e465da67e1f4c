"""What is used of an event; whatever a record holds, reading it does not fail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgpack

from mlsandbox_serving.contract import Dataset, Field
from mlsandbox_serving.drift_sidecar.settings import Source
from mlsandbox_serving.forward.framing import MOST_VALUES
from mlsandbox_serving.forward.messages import Event
from mlsandbox_serving.performance.adding import Match
from mlsandbox_serving.performance.reading import Value
from mlsandbox_serving.record import id_key

_LONGEST_NAME: Final = 200
_MOST_ROWS: Final = 100_000


class Result(StrEnum):
    """What became of an event."""

    USED = "used"
    """Its rows are compared with the reference."""
    FEEDBACK = "feedback"
    """Its label is kept."""
    DUPLICATE = "duplicate"
    """It was here before."""
    ERROR = "error"
    """It tells of a request without a prediction."""
    OTHER = "other"
    """It is none of a model service."""
    MALFORMED = "malformed"
    """It should hold rows, and does not."""
    REFUSED = "refused"
    """There are too many models and versions already."""


class Rows(NamedTuple):
    """The rows of one request, as its event tells them."""

    source: Source
    key: bytes
    """Stands for the event's id."""
    time: int
    """Epoch nanoseconds."""
    columns: dict[str, list[Any]] | None
    """None when inputs are not logged."""
    predictions: list[Any]
    scores: list[Any] | None
    body: bytes = b""
    """What the journal keeps of it."""

    @property
    def length(self) -> int:
        """How many rows."""
        return max([len(self.predictions), *map(len, (self.columns or {}).values())])


class Labelled(NamedTuple):
    """What one prediction should have been, beside it."""

    source: Source
    """That predicted."""
    key: bytes
    """Stands for the version's answer to the row of the request: of all labels of that the first one counts."""
    prediction: Value
    label: Value
    body: bytes
    """What the journal keeps of it."""


def labelled(match: Match) -> Labelled:
    """A label beside its prediction, as the journal keeps them."""
    row = "\0".join((match.model, match.version, match.request, str(match.row)))
    key = hashlib.blake2b(row.encode(), digest_size=16, person=b"label").digest()
    body = msgpack.packb([match.prediction, match.label])
    return Labelled(Source(match.model, match.version), key, match.prediction, match.label, body)


def unpacked(source: Source, key: bytes, body: bytes) -> Rows | Labelled:
    """The event of which the journal kept this."""
    kept = msgpack.unpackb(body, unicode_errors="surrogateescape", strict_map_key=False)
    if len(kept) == 2:
        return Labelled(source, key, kept[0], kept[1], body)
    time, columns, predictions, scores = kept
    return Rows(source, key, time, columns, predictions, scores, body)


def read(event: Event) -> Rows | Result:
    """The rows of a prediction, or why there are none."""
    record = event.record
    dataset = record.get(Field.EVENT_DATASET)
    if dataset == Dataset.PREDICTION:
        return _rows(event.time, record) or Result.MALFORMED
    if dataset == Dataset.FEEDBACK:
        return Result.FEEDBACK
    return Result.ERROR if dataset == Dataset.ERROR else Result.OTHER


def _rows(time: int, record: Mapping[str, Any]) -> Rows | None:
    name, model, version = (_name(record.get(field)) for field in (Field.EVENT_ID, Field.MODEL, Field.VERSION))
    columns, predictions, scores = (record.get(field) for field in (Field.INPUTS, Field.PREDICTIONS, Field.PROBABILITIES))
    if name is None or model is None or version is None or not isinstance(predictions, list):
        return None
    if columns is not None and not _are_columns(columns):
        return None
    columns = {_shown(name): values for name, values in (columns or {}).items()}
    key = id_key(name)
    rows = Rows(Source(model, version), key, time, columns or None, predictions, scores if isinstance(scores, list) else None)
    if not 0 < rows.length <= _MOST_ROWS or rows.length * len(columns or ()) > MOST_VALUES:  # once short columns are filled up
        return None
    try:
        body = msgpack.packb([time, rows.columns, predictions, rows.scores], unicode_errors="surrogateescape")
    except ValueError:  # nested more deeply than it can be written
        return None
    return rows._replace(body=body)


def _are_columns(columns: object) -> bool:
    return isinstance(columns, dict) and all(isinstance(name, str) and isinstance(values, list) for name, values in columns.items())


def _name(value: object) -> str | None:
    """A text that can be stored and shown."""
    return _shown(value) if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME else None


def _shown(name: str) -> str:
    return name.encode(errors="replace").decode()
