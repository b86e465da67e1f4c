"""Rows as bodies of every format that a model service reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from mlsandbox_serving.schema import Column, Columns, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.codecs import decoders
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.refusal import RequestRefused

NUMBERS = Schema(input="frame", columns=tuple(Column(name, "float", "float64") for name in "abc"), output=Output("number"))
MIXED = Schema(
    input="frame",
    columns=(
        Column("amount", "float", "float64", nullable=True),
        Column("age", "integer", "int64"),
        Column("visits", "integer", "Int64", nullable=True),
        Column("active", "boolean", "bool"),
        Column("consent", "boolean", "boolean", nullable=True),
        Column("zip", "string", "object"),
        Column("note", "string", "object", nullable=True),
        Column("plan", "category", "category", categories=("basic", "pro", "NA", "a,b"), nullable=True),
        Column("level", "category", "category", categories=(1, 2, 3)),
        Column("since", "datetime", "datetime64[ns]", nullable=True),
        Column("seen", "datetime", "datetime64[us, UTC]"),
    ),
    output=Output("class", (0, 1), probabilities=True),
)
MIXED_ROW: dict[str, Any] = {
    "amount": 1.5,
    "age": 41,
    "visits": None,
    "active": True,
    "consent": None,
    "zip": "01234",
    "note": None,
    "plan": "a,b",
    "level": 2,
    "since": "2024-05-31T12:00:00",
    "seen": "2024-05-31T12:00:00.250000+00:00",
}
ARROW_TYPES = {
    "amount": pa.float64(),
    "age": pa.int64(),
    "visits": pa.int64(),
    "active": pa.bool_(),
    "consent": pa.bool_(),
    "zip": pa.string(),
    "note": pa.large_string(),
    "plan": pa.dictionary(pa.int8(), pa.string()),
    "level": pa.int16(),
    "since": pa.timestamp("ns"),
    "seen": pa.timestamp("us", "UTC"),
}


def read(kind: str, body: bytes, schema: Schema = NUMBERS, max_rows: int = 10_000) -> Columns:
    """What a body is read as."""
    return decoders(schema, max_rows=max_rows)[kind](body)


def refused(kind: str, body: bytes, schema: Schema = NUMBERS, max_rows: int = 10_000) -> RequestRefused | SchemaMismatch:
    """What a body is refused with."""
    try:
        columns = read(kind, body, schema, max_rows)
    except (RequestRefused, SchemaMismatch) as error:
        return error
    raise AssertionError(f"was read as {columns}")


def as_json(columns: Mapping[str, list[Any]]) -> bytes:
    """The columns as JSON."""
    return json.dumps({"columns": columns}).encode()


def as_csv(columns: Mapping[str, list[Any]]) -> bytes:
    """The columns as CSV; null is an empty field."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if value is None else json.dumps(value) if isinstance(value, bool) else value for value in row])
    return file.getvalue().encode()


def as_stream(table: Any, *, batch_rows: int | None = None, options: Any = None) -> bytes:
    """An Arrow table as a stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def as_arrow(columns: Mapping[str, list[Any]], types: Mapping[str, Any] = ARROW_TYPES, **options: Any) -> bytes:
    """The columns as an Arrow stream; texts of dates become timestamps."""
    arrays = {name: _array(values, types.get(name)) for name, values in columns.items()}
    return as_stream(pa.table(arrays), **options)


def as_npy(array: Any) -> bytes:
    """An array as numpy saves it."""
    file = io.BytesIO()
    np.save(file, np.asanyarray(array), allow_pickle=True)
    return file.getvalue()


def as_each(matrix: list[list[float]], names: tuple[str, ...] = NUMBERS.names) -> dict[str, bytes]:
    """Rows of numbers as a body of every format."""
    columns = {name: [row[index] for row in matrix] for index, name in enumerate(names)}
    types = dict.fromkeys(names, pa.float64())
    return {JSON: as_json(columns), CSV: as_csv(columns), ARROW: as_arrow(columns, types), NPY: as_npy(np.array(matrix, dtype=np.float64))}


def _array(values: list[Any], kind: Any) -> Any:
    if kind is not None and pa.types.is_timestamp(kind):
        texts = [None if value is None else value.removesuffix("+00:00") for value in values]
        return pa.array([None if text is None else np.datetime64(text, kind.unit) for text in texts], type=pa.timestamp(kind.unit)).cast(
            kind
        )
    return pa.array(values, type=kind)
