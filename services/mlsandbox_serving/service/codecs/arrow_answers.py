"""Answers as an Arrow stream of one record batch."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from mlsandbox_serving.service.answers import Answers
from mlsandbox_serving.service.codecs.answer_columns import as_text, columns_of, kind_of

_TYPES: Final = {"boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string()}


def encode(answers: Answers) -> bytes:
    """One column per prediction and class, named as in CSV; model, version and request id are the schema's metadata."""
    columns = {name: _array(values) for name, values in columns_of(answers).items()}
    metadata = {"model": answers.model, "version": answers.version, "request_id": answers.request_id}
    schema = pa.schema([(name, array.type) for name, array in columns.items()], metadata=metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _array(values: list[Any]) -> Any:
    kind = kind_of(values)
    if kind == "text":
        values = [None if value is None else as_text(value) for value in values]
    elif kind == "number":
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, type=_TYPES[kind])
