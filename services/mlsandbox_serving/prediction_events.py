"""The event of each answered prediction, as the bytes that go into the spool: on the path of every request, so it is made to be cheap.

What is the same in every event of a service is packed once. The rest is packed by msgspec, which takes what nearly every request holds;
what it refuses, or would write in another form, goes the way of all other events (`spool.entry`).
"""

from __future__ import annotations

import base64
import math
import struct
import time
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Final, Protocol

import msgpack
import msgspec

from mlsandbox_serving.contract import ECS_VERSION, Dataset, Field
from mlsandbox_serving.event_digest import sealed
from mlsandbox_serving.record import LONGEST_PATH, REPEATED_CLASSES, Facts, Identity, Privacy, instant, new_id
from mlsandbox_serving.spool.entry import Unencodable, packed
from mlsandbox_serving.spool.segment import ENTRY_START

_START: Final = struct.Struct(">3sII")
"""Of an entry: what begins each, then seconds and nanoseconds of its EventTime."""
_MAP: Final = struct.Struct(">BH")
_MAP_16: Final = 0xDE
_SMALL_MAP: Final = 0x80
"""The first byte of a map of at most 15 pairs, and how many they are."""
_TIMESTAMP: Final = b"\xaa@timestamp\xbb"
"""The name, and the begin of a text of 27 bytes."""
_MILLION: Final = 1_000_000
_DEEPEST: Final = 64
_SCALARS: Final = frozenset({str, int, float, bool, NoneType})
_SCALARS_AND_LISTS: Final = _SCALARS | {list}

_encode: Final = msgspec.msgpack.Encoder().encode
_encode_sorted: Final = msgspec.msgpack.Encoder(order="sorted").encode


class CheckedRows(Protocol):
    """Checked input; `schema.Columns`."""

    @property
    def rows(self) -> int:
        """How many there are."""

    def head(self, rows: int) -> dict[str, list[Any]]:
        """The first rows as JSON values, by column."""


class PredictionEvents:
    """Makes the events of one service's predictions. Thread-safe.

    Args:
        identity: of the model.
        privacy: what of the input may be written.
        max_rows: rows past this number are left out, and the event marked as truncated.
        classes: of a classifier, empty when they are not known; None when the model predicts something else.
    """

    def __init__(self, identity: Identity, privacy: Privacy, *, max_rows: int, classes: Sequence[Any] | None) -> None:
        self._identity = identity
        self._privacy = privacy
        self._max_rows = max_rows
        self._second = (-1, b"")
        """The second of the last event, and how its time begins."""
        constant: dict[str, Any] = {
            Field.ECS_VERSION: ECS_VERSION,
            Field.EVENT_KIND: "event",
            Field.EVENT_DATASET: Dataset.PREDICTION,
            Field.EVENT_OUTCOME: "success",
            Field.SERVICE_NAME: identity.model,
            Field.SERVICE_VERSION: identity.version,
            Field.MODEL: identity.model,
            Field.VERSION: identity.version,
            Field.DIGEST: identity.digest,
        }
        known = {} if classes is None else {Field.CLASSES: list(classes)}
        repeated = {} if classes is None else {Field.CLASSES: list(classes) if len(classes) <= REPEATED_CLASSES else []}
        self._constant = {True: _pairs(constant | known), False: _pairs(constant | repeated)}
        """By whether there are probabilities."""
        self._heads = [_MAP.pack(_MAP_16, 1 + len(constant | known) + varying) + _TIMESTAMP for varying in range(16)]
        """By how many pairs vary."""

    def payload(
        self, facts: Facts, columns: CheckedRows, predictions: list[Any], probabilities: list[Any] | None, *, status: int = 200
    ) -> bytes | None:
        """One entry of the Forward protocol; None when there is no way to write it.

        Args:
            facts: of the request.
            columns: its input, all of it; what may not be written is taken out here.
            predictions: one per row.
            probabilities: one list per row; None when the model has none.
            status: of the answer.
        """
        limit, rows = self._max_rows, columns.rows
        varying: dict[str, Any] = {
            Field.EVENT_ID: new_id(),
            Field.EVENT_DURATION: time.perf_counter_ns() - facts.started,
            Field.REQUEST_ID: facts.request_id,
            Field.METHOD: facts.method,
            Field.STATUS: status,
            Field.PATH: facts.path[:LONGEST_PATH],
            Field.ROWS: rows,
            Field.PREDICTIONS: predictions[:limit],
            Field.TRUNCATED: rows > limit,
        }
        if self._privacy.inputs:
            inputs = columns.head(limit)
            varying[Field.INPUTS] = self._privacy.protected(inputs, limit) if self._privacy.guarded else inputs
        if probabilities is not None:
            varying[Field.PROBABILITIES] = probabilities[:limit]
        if facts.trace_id is not None:
            varying[Field.TRACE_ID] = facts.trace_id
        if facts.origin is not None:
            varying[Field.ORIGIN] = facts.origin
        try:
            start, at = self._start(facts.timestamp)
            pairs = self._packed(varying, at)
        except Unencodable:
            return None
        return b"".join((start, self._heads[pairs[0] - _SMALL_MAP], at, self._constant[probabilities is not None], pairs[1:]))

    def _packed(self, record: dict[str, Any], at: bytes) -> bytes:
        """The pairs that vary, with their digest, as a map of at most 15.

        Raises:
            Unencodable: there is no way to write them.
        """
        if _is_plain(record[Field.PREDICTIONS]):
            try:
                record[Field.EVENT_HASH] = self._digest(record, at)
                return _encode(record)
            except (TypeError, ValueError, OverflowError, RecursionError):
                pass  # half of a surrogate pair, an integer of more than 64 bits
        stored = as_stored(msgpack.unpackb(packed(record)))
        record[Field.EVENT_HASH] = self._digest(stored, at)
        return packed(record)

    def _digest(self, record: dict[str, Any], at: bytes) -> str:
        identity, get = self._identity, record.get
        return sealed(
            _encode_sorted(
                (
                    record[Field.EVENT_ID],
                    record[Field.REQUEST_ID],
                    at.decode(),
                    identity.model,
                    identity.version,
                    identity.digest,
                    record[Field.ROWS],
                    get(Field.INPUTS),
                    record[Field.PREDICTIONS],
                    get(Field.PROBABILITIES),
                    record[Field.TRUNCATED],
                )
            )
        )

    def _start(self, timestamp: float) -> tuple[bytes, bytes]:
        """The entry's time, and the text of its `@timestamp`.

        Raises:
            Unencodable: it is outside of 1970 to 2106.
        """
        try:
            second = int(timestamp)
            start = _START.pack(ENTRY_START, second, int(timestamp % 1 * 10**9))
        except (struct.error, ValueError, OverflowError) as error:
            raise Unencodable(f"timestamp {timestamp!r}: {error}") from error
        micro = round((timestamp - second) * _MILLION)
        if micro == _MILLION:
            second, micro = second + 1, 0
        known, text = self._second
        if second != known:
            text = instant(second)[:-7].encode()
            self._second = second, text
        return start, b"%b%06dZ" % (text, micro)


def _pairs(record: dict[str, Any]) -> bytes:
    """The pairs of a map of at most 15, without what says how many they are."""
    return packed(record)[1:]


def as_stored(value: Any) -> Any:
    """A value as a store gives it back out of an event; what it gave stays as it is.

    Raises:
        Unencodable: it has no such form.
    """
    if type(value) is list and _is_plain(value) and all(map(_is_finite, value)):
        return value
    return _json_value(msgpack.unpackb(packed({"": value}), strict_map_key=False)[""], 0)


def _is_plain(values: list[Any]) -> bool:
    """Whether they are JSON values: of a date, say, msgspec would make something else than our stores expect."""
    kinds = set(map(type, values))
    return kinds <= _SCALARS or (kinds <= _SCALARS_AND_LISTS and all(_is_plain(value) for value in values if type(value) is list))


def _is_finite(value: Any) -> bool:
    return all(map(_is_finite, value)) if type(value) is list else type(value) is not float or math.isfinite(value)


def _json_value(value: Any, depth: int) -> Any:
    """As stores write what is no JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {name if isinstance(name, str) else str(name): _json_value(item, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
        return [_json_value(item, depth + 1) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
