"""What schemathesis has to be told of a model service; it imports this file itself (SCHEMATHESIS_HOOKS).

OPENAPI_ROWS names a JSON file with rows that the model takes, as a list of objects: bodies that are not JSON are made of them.
"""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import schemathesis
from hypothesis import strategies as st

Rows = list[dict[str, Any]]

ROWS: Rows = json.loads(Path(os.environ["OPENAPI_ROWS"]).read_text(encoding="utf-8"))


def as_csv(rows: Rows) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def as_arrow(rows: Rows) -> bytes:
    table = pa.Table.from_pylist(rows, schema=pa.Table.from_pylist(ROWS).schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def as_npy(rows: Rows) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([[row[name] for name in ROWS[0]] for row in rows], dtype=np.float64))
    return file.getvalue()


def tensors(rows: Rows) -> list[dict[str, Any]]:
    """The inputs of an inference request."""
    kinds = {bool: "BOOL", int: "INT64", float: "FP64"}
    return [
        {"name": name, "shape": [len(rows), 1], "datatype": kinds.get(type(value), "BYTES"), "data": [row[name] for row in rows]}
        for name, value in ROWS[0].items()
    ]


def as_request(rows: Rows) -> bytes:
    """Without a header that says otherwise it is JSON alone."""
    return json.dumps({"inputs": tensors(rows)}).encode()


some = st.lists(st.sampled_from(ROWS), min_size=1, max_size=3)
schemathesis.openapi.media_type("text/csv", some.map(as_csv))
schemathesis.openapi.media_type("application/vnd.apache.arrow.stream", some.map(as_arrow))
schemathesis.openapi.media_type("application/x-npy", some.map(as_npy))
schemathesis.openapi.media_type("application/octet-stream", some.map(as_request))

instants = st.datetimes(min_value=datetime(1678, 1, 1), max_value=datetime(2261, 12, 31))  # noqa: DTZ001 - with and without an offset
schemathesis.openapi.format("date-time-local", instants.map(lambda at: at.isoformat()))
schemathesis.openapi.format("date-time", instants.map(lambda at: f"{at.isoformat()}Z"))


@schemathesis.hook
def before_call(_context: Any, case: Any, **_kwargs: Any) -> None:
    """What JSON Schema has no words for: columns are of one length, and tensors of the shape that they say.

    What was made not to fit stays as it is.
    """
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("columns"), dict):
        _lengthen(body["columns"])
    if case.meta is not None and case.meta.generation.mode.is_positive and case.operation.label.endswith("/infer"):
        case.headers.pop("inference-header-content-length", None)
        if case.media_type == "application/octet-stream":
            case.body = as_request(ROWS[:2])
        elif isinstance(body, dict):
            case.body = {**body, "inputs": tensors(ROWS[:2])}


def _lengthen(columns: dict[str, Any]) -> None:
    """The last value again and again: what is wrong stays wrong."""
    lists = [values for values in columns.values() if isinstance(values, list)]
    if lists and all(lists):
        longest = max(map(len, lists))
        for values in lists:
            values.extend(values[-1:] * (longest - len(values)))
