"""Which rows of two answers have the same prediction, in every format of an answer."""

from __future__ import annotations

import contextlib
import json
import math
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsandbox_serving.service.answers import Answers, Encode
from mlsandbox_serving.service.codecs.encoders import ARROW_ANSWERS, CSV_ANSWERS, JSON_ANSWERS, NPY_LABELS
from mlsandbox_serving.service.oip.outputs import InferEncode, Output
from mlsandbox_serving.service.shadow_rows import Tolerance, Unreadable, Written, compared, is_same, predictions_of, tolerance_of

NEAR = Tolerance(1e-5, 1e-7)
ENCODES: dict[str, Callable[[str], Encode]] = {
    "json": lambda _type: JSON_ANSWERS,
    "csv": lambda _type: CSV_ANSWERS,
    "npy": lambda _type: NPY_LABELS,
    "arrow": lambda _type: ARROW_ANSWERS,
    "oip": lambda datatype: InferEncode("1", [Output("predict", datatype, binary=False), Output("predict_proba", "FP64", binary=False)]),
    "oip binary": lambda datatype: InferEncode(
        "1", [Output("predict_proba", "FP64", binary=True), Output("predict", datatype, binary=True)]
    ),
}


def written(encode: Encode, predictions: Sequence[Any], version: str) -> Written:
    """An answer; probabilities are others in each version."""
    share = 0.25 if version == "v1" else 0.75
    probabilities = [[share, 1 - share] for _ in predictions]
    body = encode(Answers(list(predictions), probabilities, ["no", "yes"], "churn", version, "r1"))
    return Written(encode.content_type, body, dict(encode.headers))


def pair(name: str, datatype: str, one: Sequence[Any], other: Sequence[Any]) -> tuple[Written, Written]:
    return written(ENCODES[name](datatype), one, "v1"), written(ENCODES[name](datatype), other, "v2")


@pytest.mark.parametrize("name", ENCODES)
@pytest.mark.parametrize(
    ("datatype", "one", "other", "same"),
    [
        ("BYTES", ["no", "yes", "no", 'a, "b"'], ["no", "no", "no", 'a, "b"'], 3),
        ("BYTES", ["7", "007", "1.0"], ["7", "7", "1"], 1),
        ("INT64", [1, 2, 3], [1, 2, 4], 2),
        ("BOOL", [True, False], [True, True], 1),
    ],
)
def test_classes(name: str, datatype: str, one: list[Any], other: list[Any], same: int) -> None:
    """Classes must be equal or different, whatever they look like and whatever their probabilities are."""
    assert compared(*pair(name, datatype, one, other), None) == (same, len(one) - same)
    assert compared(*pair(name, datatype, one, one), None) == (len(one), 0)


@pytest.mark.parametrize("name", ENCODES)
def test_numbers(name: str) -> None:
    """Numbers must be the same within the tolerance, and a missing one only as another missing one."""
    one = [1.5, 100.0, 0.0, None, None, 2.0]
    other = [1.5, 100.0005, 1e-6, None, 1.0, None]

    assert compared(*pair(name, "FP64", one, other), NEAR) == (3, 3)


@pytest.mark.parametrize("name", ENCODES)
def test_several_values_a_row(name: str) -> None:
    """A row of several values must be the same when all of them are."""
    assert compared(*pair(name, "FP64", [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.1]]), NEAR) == (1, 1)


@pytest.mark.parametrize("name", ENCODES)
def test_another_number_of_rows(name: str) -> None:
    """Answers to fewer or more rows must not be compared."""
    with pytest.raises(Unreadable):
        compared(*pair(name, "FP64", [1.0, 2.0], [1.0]), NEAR)


@pytest.mark.parametrize("name", ENCODES)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b'{"predictions": 1}', b"age\r\n1\r\n", b"\x93NUMPY", b'{"outputs": []}'])
def test_what_is_no_answer(name: str, body: bytes) -> None:
    """Whatever a challenger answers, it must be told as unreadable."""
    champion, challenger = pair(name, "FP64", [1.0], [1.0])
    with pytest.raises(Unreadable):
        compared(champion, challenger._replace(body=body), NEAR)


@pytest.mark.parametrize("tolerance", [None, NEAR])
def test_numbers_that_are_no_floats(tolerance: Tolerance | None) -> None:
    """A whole number of any length must be another prediction, or be told as unreadable."""
    champion, challenger = pair("json", "FP64", [1.0], [1.0])
    with contextlib.suppress(Unreadable):
        assert compared(champion, challenger._replace(body=b'{"predictions":[1%b]}' % (b"0" * 400)), tolerance) == (0, 1)


def npy(descr: str, shape: str, tail: bytes = b"") -> bytes:
    """A header of NumPy's format that says what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + tail


def arrow(array: pa.Array, compression: str | None = None) -> bytes:
    """A stream of one column."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, pa.schema([("prediction", array.type)]), options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as writer:
        writer.write_batch(pa.record_batch([array], names=["prediction"]))
    body: bytes = sink.getvalue().to_pybytes()
    return body


MANY = 2_000_000
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "texts of no length": ("npy", lambda: npy("'<U0'", f"({MANY},)")),
    "texts of no length in one row": ("npy", lambda: npy("'<U0'", f"(1, {MANY})")),
    "nothing in each row": ("npy", lambda: npy("'<i8'", f"({MANY}, 0)")),
    "nothing in one row": ("npy", lambda: npy("'<i8'", f"(1, {MANY}, 0)")),
    "fields": ("npy", lambda: npy(f"[('a', '<U0', ({MANY},)), ('b', '|i1')]", "(1,)", b"1")),
    "nulls": ("arrow", lambda: arrow(pa.nulls(MANY))),
    "nulls in one row": ("arrow", lambda: arrow(pa.FixedSizeListArray.from_arrays(pa.nulls(MANY), MANY))),
    "bytes of no length in one row": (
        "arrow",
        lambda: arrow(pa.FixedSizeListArray.from_arrays(pa.array([b""] * MANY, pa.binary(0)), MANY)),
    ),
    "a compressed text": ("arrow", lambda: arrow(pa.array(["x" * 10 * MANY]), "zstd")),
    "runs": ("arrow", lambda: arrow(pa.RunEndEncodedArray.from_arrays(pa.array([MANY], pa.int32()), pa.array([1])))),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_few_bytes_that_would_be_many(bomb: str) -> None:
    """An answer must be refused before more is made of it than it has bytes."""
    name, make = BOMBS[bomb]
    champion, challenger = pair(name, "FP64", [1.0], [1.0])
    answer = challenger._replace(body=make())
    predictions_of(champion)  # what is imported for it is no memory of the answer's
    assert len(answer.body) < 100_000 or bomb.startswith("bytes")
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            compared(champion, answer, NEAR)
        assert tracemalloc.get_traced_memory()[1] < MANY
        assert pa.total_allocated_bytes() == before
    finally:
        tracemalloc.stop()


def test_a_text_that_is_told_of_many_times() -> None:
    """Rows that all point at the same bytes must be refused."""
    offsets = pa.array([0, 1_000, 0, 1_000], pa.int32()).buffers()[1]
    folded = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"x" * 1_000))
    champion, challenger = pair("arrow", "BYTES", ["a", "b", "c"], ["a", "b", "c"])

    with pytest.raises(Unreadable):
        compared(champion, challenger._replace(body=arrow(folded)), None)


def test_another_format() -> None:
    """An answer in no format of ours must be told as unreadable."""
    champion, challenger = pair("json", "FP64", [1.0], [1.0])
    with pytest.raises(Unreadable):
        compared(champion, challenger._replace(content_type="text/html"), NEAR)


def test_without_predictions() -> None:
    """Where a client asked for probabilities alone, these must be compared."""
    encode = InferEncode("1", [Output("predict_proba", "FP64", binary=False)])

    assert compared(written(encode, ["no"], "v1"), written(encode, ["no"], "v1"), NEAR) == (1, 0)
    assert compared(written(encode, ["no"], "v1"), written(encode, ["no"], "v2"), NEAR) == (0, 1)


@pytest.mark.parametrize(
    ("one", "other", "same"), [(True, 1, False), (1, 1.0, True), ("1", 1, False), (None, 0.0, False), (math.nan, math.nan, True)]
)
def test_kinds(one: Any, other: Any, *, same: bool) -> None:
    """What is of another kind must be another prediction; 1 and 1.0 are the same number."""
    assert is_same(one, other, None) is is_same(one, other, NEAR) is same


def test_mixed_kinds_in_json() -> None:
    """True must not pass for 1 in a whole answer either."""
    assert compared(*pair("json", "", [True, False], [1, 0]), None) == (0, 2)


def test_tolerances() -> None:
    """Classes have none; a package's own comes first; else the precision decides in which its golden rows are."""
    single = [float(np.float32(value)) for value in (0.1, 0.7)]
    own = {"tolerance": {"rtol": 0.1, "atol": 0.2}, "predictions": [0.1]}

    assert tolerance_of(own, by_class=True) is None
    assert tolerance_of(own, by_class=False) == (0.1, 0.2)
    assert tolerance_of({"predictions": single}, by_class=False) == (1e-5, 1e-7)
    assert tolerance_of({"predictions": [0.1, 1e300]}, by_class=False) == (1e-9, 1e-12)
    assert tolerance_of(None, by_class=False) == (1e-9, 1e-12)


def test_a_long_answer() -> None:
    """Every row of a long answer must be counted."""
    one = [str(number % 7) for number in range(10_000)]
    other = [value if number % 20 else "other" for number, value in enumerate(one)]
    first, second = (Written("application/json", json.dumps({"predictions": each}).encode(), {}) for each in (one, other))

    assert compared(first, second, None) == (9_500, 500)
