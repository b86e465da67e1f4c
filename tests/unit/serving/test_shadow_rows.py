"""Which rows of two answers have the same prediction, in every format of an answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mlsandbox_serving.service.answers import Answers, Encode
from mlsandbox_serving.service.codecs.encoders import ARROW_ANSWERS, CSV_ANSWERS, JSON_ANSWERS, NPY_LABELS
from mlsandbox_serving.service.oip.outputs import InferEncode, Output
from mlsandbox_serving.service.shadow_rows import Tolerance, Unreadable, Written, compared, is_same, tolerance_of

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
