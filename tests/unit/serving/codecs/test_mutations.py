"""Bodies that nobody wrote on purpose: thousands of damaged ones per format."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from mlsandbox_serving.schema import Column, Output, Schema, SchemaMismatch
from mlsandbox_serving.service.codecs import MEDIA_TYPES, Decode, decoders
from mlsandbox_serving.service.codecs.media_types import ARROW, CSV, JSON, NPY
from mlsandbox_serving.service.refusal import RequestRefused
from support.bodies import MIXED, MIXED_ROW, NUMBERS, as_arrow, as_csv, as_json, as_npy, as_stream

MUTATIONS: Final = 10_000
COLUMNS = {name: [value] * 5 for name, value in MIXED_ROW.items()}
NASTY = [
    b"\xff" * 4,
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x80",
    b'"',
    (2**31 - 1).to_bytes(4, "little"),
    (2**40).to_bytes(8, "little"),
    (2**62).to_bytes(8, "little"),
]
SINGLES = {
    "string": [
        pa.array(["a" * 30, None, "b"], pa.string_view()),
        pa.DictionaryArray.from_arrays(pa.array([1, 0, None]), pa.array(["x" * 20, None], pa.string_view())),
        pa.array(["xx", None] * 20, pa.large_string()),
        pa.nulls(5),
    ],
    "datetime": [pa.array([1, None], pa.timestamp("ns")), pa.array([86_400_000, None], pa.date64()), pa.array([1, None], pa.date32())],
    "float": [pa.array([Decimal("1.1"), None]), pa.array(np.ones(3, np.float16))],
}


def schema_of(kind: Any) -> Schema:
    dtype = {"string": "object", "datetime": "datetime64[ns]", "float": "float64"}[kind]
    return Schema(input="frame", columns=(Column("v", kind, dtype, nullable=True),), output=Output("number"))


def sound(kind: str) -> list[tuple[bytes, Schema]]:
    if kind == JSON:
        return [(as_json(COLUMNS), MIXED)]
    if kind == CSV:
        return [(as_csv(COLUMNS), MIXED), (b"a,b,c\n1,2,3\n4,5,6\n", NUMBERS)]
    if kind == NPY:
        return [(as_npy(np.ones((4, 3))), NUMBERS), (as_npy(np.ones((4, 3), dtype=">i4")), NUMBERS)]
    bodies = [(as_arrow(COLUMNS), MIXED), (as_stream(pa.table({name: np.arange(50.0) for name in "abc"})), NUMBERS)]
    bodies += [(as_arrow(COLUMNS, batch_rows=3, options=pa.ipc.IpcWriteOptions(compression=codec)), MIXED) for codec in ("lz4", "zstd")]
    return bodies + [(as_stream(pa.table({"v": array})), schema_of(name)) for name, arrays in SINGLES.items() for array in arrays]


def mutated(random_: random.Random, body: bytes) -> bytes:
    found = bytearray(body)
    for _ in range(random_.choice([1, 1, 1, 2, 3, 8])):
        place = random_.randrange(len(found) + 1)
        length = random_.choice([1, 8, 64])
        match random_.randrange(6):
            case 0 if place < len(found):
                found[place] = random_.randrange(256)
            case 1 if place < len(found):
                found[place] ^= 1 << random_.randrange(8)
            case 2:
                nasty = random_.choice(NASTY)
                place -= place % random_.choice([1, 4, 8])
                found[place : place + len(nasty)] = nasty
            case 3:
                del found[place : place + length]
            case 4:
                found[place:place] = found[place : place + length]
            case 5 if random_.random() < 0.3:
                del found[place:]
            case _:
                pass
    return bytes(found)


def answered(decode: Decode, body: bytes) -> int:
    """The status that a body gets; whatever is told of it must be JSON."""
    try:
        decode(body)
    except RequestRefused as refused:
        msgspec.json.encode(refused.body("id"))
        return refused.failure.status
    except SchemaMismatch as mismatch:
        msgspec.json.encode([str(mismatch), mismatch.to_json()])
        return 422
    return 200


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_damaged_bodies_are_answered(kind: str) -> None:
    """A damaged body must be read or refused, with memory that no single one of them makes grow."""
    random_ = random.Random(kind)
    cases: Sequence[tuple[bytes, Decode]] = [(body, decoders(schema, max_rows=1_000)[kind]) for body, schema in sound(kind)]
    assert {answered(decode, body) for body, decode in cases} == {200}
    before = peak()

    statuses = {answered(decode, mutated(random_, body)) for body, decode in cases for _ in range(MUTATIONS // len(cases))}

    assert {200, 400} <= statuses <= {200, 400, 413, 422}
    assert peak() - before < 200 * 2**20
    assert pa.total_allocated_bytes() < 2**20


def test_texts_that_are_null_are_not_followed() -> None:
    """A text that is null must not be read, wherever it points: Arrow does not validate where that is."""
    array = pa.array(["a" * 30, None, "b"], pa.string_view())
    views = bytearray(array.buffers()[1].to_pybytes())
    views[16:32] = b"\xff\xff\xff\x7f" + b"\x00" * 4 + b"\x7f\xff\xff\x7f" * 2
    broken = pa.Array.from_buffers(array.type, 3, [array.buffers()[0], pa.py_buffer(bytes(views)), array.buffers()[2]])

    columns = decoders(schema_of("string"), max_rows=10)[ARROW](as_stream(pa.table({"v": broken})))

    assert columns.by_name == {"v": ["a" * 30, None, "b"]}


def peak() -> int:
    """Bytes that the process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
