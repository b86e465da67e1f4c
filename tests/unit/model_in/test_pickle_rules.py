"""Names of the lists are not enough: what a pickle calls, and which attributes it sets, must be what real pickles do."""

from __future__ import annotations

import functools
import pickle
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsandbox.packaging.bytestream import ByteStream
from mlsandbox.packaging.inspect import inspect_model
from mlsandbox.packaging.opcodes import scan_pickle


class Call:
    """Unpickles to the result of a call."""

    def __init__(self, function: Callable[..., object], *args: object, state: object = None) -> None:
        self.made = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.made


MEMORY = {"data": (4096, False), "shape": (1,), "typestr": "<f8", "version": 3}
STACKING = b"\x80\x02csklearn.ensemble._stacking\nStackingClassifier\n)\x81}X\x0d\x00\x00\x00stack_method_%bsb."


def unknown(path: Path, data: bytes) -> tuple[str, ...]:
    """What the check finds in a pickle of these bytes."""
    (path / "model.pkl").write_bytes(data)
    return inspect_model(path / "model.pkl").unknown


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (Call(np.ndarray, (1,), np.dtype("O"), b"A" * 8), "a call of numpy.ndarray"),
        (Call(np.asarray, [1.0]), "a call of numpy.asarray"),
        (Call(np.add, 1, 2), "a call of numpy.add"),
        (Call(functools.partial, np.ndarray), "an array class"),
        ({"func": np.ndarray}, "an array class"),
        ([np.ma.MaskedArray], "an array class"),
        (types.SimpleNamespace(__array_interface__=MEMORY), "__array_interface__"),
        ({"__array__": np.add}, "__array__"),
        (Call(types.SimpleNamespace, state={np.str_("stack_method_"): 1}), "an attribute whose name is computed"),
        (Call(types.SimpleNamespace, state=OrderedDict(a=1)), "an attribute whose name is computed"),
        (Call(types.SimpleNamespace, state=(None, OrderedDict(a=1))), "an attribute whose name is computed"),
        (Call(np.random._pickle.__generator_ctor, "PCG64", np.add), "called in a way"),  # type: ignore[attr-defined]
        (Call(max, "a", "b"), "builtins.max"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_no_real_pickle_does_is_refused(value: object, word: str, protocol: int, tmp_path: Path) -> None:
    """Calls and attributes through which harmless names do harm must be found."""
    assert any(word in text for text in unknown(tmp_path, pickle.dumps(value, protocol=protocol)))


@pytest.mark.parametrize(
    "methods",
    [
        b"]X\x07\x00\x00\x00predicta",
        b"](X\x0d\x00\x00\x00predict_probaNe",
        b"]q\x05X\x07\x00\x00\x00predicta",
    ],
)
def test_stacking_calls_predictions(methods: bytes, tmp_path: Path) -> None:
    """The methods that predict must pass."""
    assert unknown(tmp_path, STACKING % methods) == ()


@pytest.mark.parametrize(
    "methods",
    [
        b"]X\x06\x00\x00\x00tofilea",
        b"](X\x07\x00\x00\x00predictX\x04\x00\x00\x00evale",
        b"X\x06\x00\x00\x00tofile",
        b"(X\x06\x00\x00\x00tofilet",
        b"c_codecs\nencode\nX\x06\x00\x00\x00tofileX\x06\x00\x00\x00latin1\x86R",
        b"](" + b"X\x07\x00\x00\x00predict" * 65 + b"e",
    ],
)
def test_stacking_calls_nothing_else(methods: bytes, tmp_path: Path) -> None:
    """Any other method that a stacking model would call by name must be refused: an array's tofile writes any file."""
    assert unknown(tmp_path, STACKING % methods) == ("(stack_method_ names a method that is no prediction)",)


def test_a_list_that_is_filled_later_is_looked_at_when_it_is_full(tmp_path: Path) -> None:
    """Items that come into a list after the list became an attribute must be seen."""
    data = STACKING[:-1] % b"]q\x00" + b"h\x00X\x06\x00\x00\x00tofilea0."

    assert unknown(tmp_path, data) == ("(stack_method_ names a method that is no prediction)",)


def test_a_vocabulary_may_hold_any_word(tmp_path: Path) -> None:
    """Words of a text corpus, "__init__" among them, must pass as keys."""
    assert unknown(tmp_path, pickle.dumps({"__init__": 3, "__call__": np.int64(4), "stack": 1})) == ()


def test_python_itself_reads_no_arrays_between_opcodes() -> None:
    """What joblib skips as an array's bytes, Python's pickle reads as opcodes: names in there must be found then."""
    state = (
        b"}(X\x05\x00\x00\x00shapeK\x0e\x85X\x05\x00\x00\x00dtypecnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R"
        b"X\x05\x00\x00\x00orderX\x01\x00\x00\x00Cu"
    )
    data = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + state + b"b0cposix\nabort\nN."

    assert ("posix", "abort") not in scan_pickle(ByteStream.of_bytes(data)).globals
    assert ("posix", "abort") in scan_pickle(ByteStream.of_bytes(data), joblib=False).globals
