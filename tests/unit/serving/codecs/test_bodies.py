"""The same rows, whatever format they come in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsandbox_serving.contract import GAPS, ErrorCode
from mlsandbox_serving.schema import SchemaMismatch
from mlsandbox_serving.service.codecs import MEDIA_TYPES, decoders
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.refusal import RequestRefused
from support.bodies import ARROW_TYPES, MIXED, MIXED_ROW, NUMBERS, as_arrow, as_csv, as_each, as_json, as_npy, read, refused

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - a time zone is added where the column has one
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "amount": FLOATS | st.none(),
    "age": INT64,
    "visits": INT64 | st.none(),
    "active": st.booleans(),
    "consent": st.booleans() | st.none(),
    "zip": TEXTS | st.sampled_from(["007", "NA", "", 'a"b', "a,b\r\nc"]),
    # A CSV body has no word for a text that stands for a missing value there.
    "note": TEXTS.filter(lambda text: text.strip().lower() not in GAPS) | st.none(),
    "plan": st.sampled_from(["basic", "pro", "NA", "a,b", None]),
    "level": st.sampled_from([1, 2, 3]),
    "since": MOMENTS.map(datetime.isoformat) | st.none(),
    "seen": MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC).isoformat()),
}
ROWS = st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.permutations(list(VALUES)), st.integers(1, 6))
def test_every_format_of_the_same_rows_is_the_same_request(rows: list[dict[str, Any]], order: list[str], batch_rows: int) -> None:
    """CSV and Arrow, with columns in any order and rows in any number of batches, must give the columns that JSON gives."""
    columns = {name: [row[name] for row in rows] for name in order}

    expected = read(JSON, as_json(columns), MIXED)

    assert read(CSV, as_csv(columns), MIXED) == expected
    assert read(ARROW, as_arrow(columns, batch_rows=batch_rows), MIXED) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(FLOATS, min_size=3, max_size=3), min_size=1, max_size=8))
def test_numbers_are_the_same_to_the_bit(matrix: list[list[float]]) -> None:
    """Numbers must arrive with all of their bits in every format, minus zero aside, which JSON may lose."""
    bodies = as_each(matrix)

    columns = {kind: read(kind, body) for kind, body in bodies.items()}

    assert all(columns[kind] == columns[JSON] for kind in MEDIA_TYPES)
    assert all(np.array_equal(np.array(list(columns[kind].by_name.values())).T, np.array(matrix)) for kind in MEDIA_TYPES)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_too_many_rows_are_refused_before_they_are_built(kind: str) -> None:
    """More rows than the limit must be the same 413 in every format."""
    error = refused(kind, as_each([[1.0, 2.0, 3.0]] * 11)[kind], max_rows=10)

    assert isinstance(error, RequestRefused)
    assert (error.failure.status, error.failure.code) == (413, ErrorCode.TOO_MANY_ROWS)
    assert error.details == {"rows": 11, "limit": 10}
    assert read(kind, as_each([[1.0, 2.0, 3.0]] * 10)[kind], max_rows=10).rows == 10


@pytest.mark.parametrize("kind", [JSON, CSV, ARROW])
def test_no_rows_are_refused(kind: str) -> None:
    """Columns without rows must be refused in the same words."""
    columns: dict[str, list[Any]] = {name: [] for name in ARROW_TYPES}
    body = {JSON: as_json, CSV: as_csv, ARROW: as_arrow}[kind](columns)

    assert "expected at least one row" in str(refused(kind, body, MIXED))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", None),
        ("level", 7),
        ("amount", "much"),
        ("age", 1.5),
        ("seen", "2024-05-31T12:00:00"),
        ("active", "perhaps"),
        ("plan", "gold"),
    ],
)
def test_faults_are_told_as_for_json(column: str, value: Any) -> None:
    """A value that does not fit must be told by row, column, value and expectation, in CSV as in JSON."""
    rows = [MIXED_ROW, {**MIXED_ROW, column: value}]
    columns = {name: [row[name] for row in rows] for name in MIXED_ROW}
    told = [refused(JSON, as_json(columns), MIXED), refused(CSV, as_csv(columns), MIXED)]

    faults = [error.faults[0] for error in told if isinstance(error, SchemaMismatch)]

    assert [(fault.row, fault.column, fault.expected) for fault in faults] == [(1, column, faults[0].expected)] * 2
    assert faults[1].value == (str(value) if column == "level" else value)


@pytest.mark.parametrize("kind", [JSON, CSV, ARROW])
def test_names_are_compared_as_for_json(kind: str) -> None:
    """Columns that are missing and columns that are unknown must all be named, in every format."""
    body = {JSON: as_json, CSV: as_csv, ARROW: as_arrow}[kind]({"A": [1.0], "b": [1.0], "x": [1.0]})

    error = refused(kind, body)

    assert isinstance(error, SchemaMismatch)
    assert error.to_json() == refused(JSON, as_json({"A": [1.0], "b": [1.0], "x": [1.0]})).to_json()  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", MEDIA_TYPES)
@pytest.mark.parametrize("body", [b"", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.", b"(lp0\n.", b"\x93NUMPY"])
def test_a_pickle_is_unreadable_in_every_format(kind: str, body: bytes) -> None:
    """Bytes of a pickle, or nothing at all, must be refused whatever they are called."""
    error = refused(kind, body)

    assert isinstance(error, SchemaMismatch) or error.failure.status == 400
    assert isinstance(error, SchemaMismatch) is (body == b"(lp0\n." and kind == CSV), "protocol 0 is text, and so a table of one column"


def test_npy_is_for_numbers_alone() -> None:
    """A model with a column of texts must refuse npy with what to send instead."""
    error = refused(NPY, as_npy(np.ones((1, 11))), MIXED)

    assert isinstance(error, RequestRefused)
    assert error.failure.status == 415
    assert error.headers == {"accept": f"{JSON}, {CSV}, {ARROW}"}
    assert "'zip' is of type string" in error.message


def test_there_is_a_decoder_for_each_media_type() -> None:
    """Decoders and media types must be the same set, in the same order."""
    assert tuple(decoders(NUMBERS, max_rows=1)) == MEDIA_TYPES
