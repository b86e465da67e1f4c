"""Damaged requests of the Open Inference Protocol."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import pytest

from mlsandbox_serving.schema import Schema, SchemaMismatch
from mlsandbox_serving.service.answers import Answers
from mlsandbox_serving.service.oip.infer import InferDecoder
from mlsandbox_serving.service.refusal import RequestRefused
from support.tensors import body, tensor


def schema(*columns: dict[str, Any]) -> Schema:
    output = {"type": "class", "classes": ["no", "yes"], "probabilities": True}
    named = [{"name": name, **column} for name, column in zip("abcd", columns, strict=True)]
    return Schema.from_json({"schema_version": 1, "input": "frame", "columns": named, "output": output})


NUMBER = {"type": "float", "dtype": "float64"}
NUMBERS = schema(NUMBER, NUMBER, NUMBER, {**NUMBER, "nullable": True})
MIXED = schema(
    {"type": "float", "dtype": "float32", "nullable": True},
    {"type": "integer", "dtype": "int64"},
    {"type": "category", "dtype": "category", "categories": ["u", "v"]},
    {"type": "datetime", "dtype": "datetime64[ns]"},
)
INPUTS = (
    tensor("a", "FP32", [1.5, 2.5], [2, 1]),
    tensor("b", "INT64", [1, 2]),
    tensor("c", "BYTES", ["u", "v"], [2, 1], content_type="str"),
    tensor("d", "BYTES", ["2024-05-31", "2024-06-01T12:00:00"]),
)
SEEDS = (
    (MIXED, body(*INPUTS, id="7", outputs=[{"name": "predict", "parameters": {"binary_data": True}}])),
    (MIXED, body(*INPUTS, binary=[0, 1, 2, 3], parameters={"binary_data_output": True})),
    (MIXED, body(*INPUTS, binary=[2])),
    (NUMBERS, body(tensor("all", "FP64", [[1.0, 2.0, 3.0, 4.0]], [1, 4]))),
    (NUMBERS, body(tensor("all", "FP16", [1.0, 2.0, 3.0, 4.0], [1, 4]), binary=[0])),
)
TOKENS = (
    *(b"null", b"true", b"-1", b"0", b"1e999", b"18446744073709551616", b"9" * 5000, b"NaN", b'""', b"[]", b"{}", b"[[[[", b"\\ud800"),
    *(b'"binary_data_size":4294967295', b'"shape":[4294967296,4294967296]', b'"datatype":"BYTES"', b"\x00", b"\xff\xff\xff\xff"),
)


def damaged(seed: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three of them flipped, cut out, or replaced by something strange."""
    made = bytearray(seed)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(made) + 1)
        end = min(len(made), start + chance.choice([0, 1, 1, 4, 8, 40]))
        kind = chance.randrange(4)
        if kind == 0 and start < len(made):
            made[start] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del made[start:end]
        elif kind == 2:
            made[start:end] = chance.choice(TOKENS)
        else:
            made[start:end] = made[end:][: chance.randrange(64)]
    return bytes(made)


STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    16,
    1.5,
    2**31,
    2**64,
    10**300,
    "",
    "x",
    "BYTES",
    "INT8",
    "FP32",
    "a",
    [],
    [2],
    [2, 2],
    {},
    [[1]],
    {"a": 1},
)


def twisted(header: bytes, chance: random.Random) -> bytes:
    """The JSON with one of its values replaced by a strange one, or left out."""
    content = json.loads(header)
    holders: list[Any] = [content]
    for holder in holders:  # grows on the way
        holders += [value for value in (holder.values() if isinstance(holder, dict) else holder) if isinstance(value, dict | list)]
    holder = chance.choice([each for each in holders if each])
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(STRANGE)
    return json.dumps(content).encode()


def status(decoder: InferDecoder, sent: bytes, header_length: int | None) -> int:
    """What the client would get."""
    try:
        columns, encode = decoder(sent, header_length)
    except SchemaMismatch:
        return 422
    except RequestRefused as refused:
        return refused.failure.status
    rows = columns.rows
    assert len(columns.by_name["a"]) == rows
    assert encode(Answers(["no"] * rows, [[0.5, 0.5]] * rows, ["no", "yes"], "toy", "v1", "r1"))
    return 200


@pytest.mark.parametrize("place", range(len(SEEDS)))
def test_strange_requests_are_told_what_is_wrong(place: int) -> None:
    """Whatever stands in a request in place of what belongs there, it must be read, refused with a 4xx or told its faults."""
    chance = random.Random(place)
    takes, (sent, length) = SEEDS[place]
    decoder = InferDecoder(takes, max_rows=1000, classes=["no", "yes"])

    statuses = set()
    for _ in range(1500):
        header = twisted(sent[:length], chance)
        tail = b"" if length is None else sent[length:]
        statuses.add(status(decoder, header + tail, None if length is None else len(header)))

    assert {200, 400} <= statuses <= {200, 400, 413, 422}


@pytest.mark.parametrize("place", range(len(SEEDS)))
def test_damaged_requests_are_told_what_is_wrong(place: int) -> None:
    """Whatever is damaged in a request, it must be read, refused with a 4xx or told its faults: nothing else is ever raised."""
    chance = random.Random(place)
    takes, (sent, length) = SEEDS[place]
    decoder = InferDecoder(takes, max_rows=1000, classes=["no", "yes"])

    statuses = set()
    for _ in range(1500):
        header_length = length if length is None else max(0, length + chance.choice([0, 0, 0, -1, 1, -30, 30, 10**9]))
        statuses.add(status(decoder, damaged(sent, chance), header_length))

    assert status(decoder, sent, length) == 200
    assert {400} <= statuses <= {200, 400, 413, 422}


def test_what_is_announced_takes_no_memory() -> None:
    """Sizes that a request only announces, and elements past them, must take no memory: it grows with the rows that were sent."""
    decoder = InferDecoder(MIXED, max_rows=10**12, classes=None)
    tensors = [
        body(tensor("all", "FP64", [], [10**9, 4])),
        body(tensor("all", "FP64", [], [10**9, 4]), binary=[0]),
        body(*(tensor(name, "BYTES", [], [10**9]) for name in "abcd"), binary=[0, 1, 2, 3]),
        body(tensor("all", "INT8", [], [10**11, 4], binary_data_size=10**18)),
        body(tensor("c", "BYTES", [""] * 500_000, [1]), binary=[0]),
    ]
    tracemalloc.start()
    try:
        for sent in tensors:
            with pytest.raises(RequestRefused):
                decoder(*sent)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2**20
