"""Random and mutated bytes: the scan ends with a result or its own error, and never overlooks what the real unpickler imports."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Self

import joblib
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib.numpy_pickle import NumpyUnpickler

from mlsandbox.packaging import pickle_machine
from mlsandbox.packaging.bytestream import ByteStream, StreamError, open_stream
from mlsandbox.packaging.opcodes import scan_pickle

OPCODES = b"(.0123FIJKLMNPQRSTUVX]abcdeghijloqrstu}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96B"
NAMES = (
    b"cos\nsystem\n",
    b"\x8c\x02os",
    b"\x8c\x06system",
    b"K\x01",
    b"\x95\x04\x00\x00\x00\x00\x00\x00\x00",
    b"h\x00",
    b"q\x00",
    b"X\x02\x00\x00\x00os",
)

Tell = Callable[[tuple[str, str]], object]


def _dumped(value: object, protocol: int) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, protocol=protocol)
    return file.getvalue()


SEEDS = [
    make(value, protocol)
    for protocol in range(6)
    for make in (pickle.dumps, _dumped)
    for value in ([np.arange(4), {"a": Decimal(1)}, np.array(["a", None], dtype=object)], OrderedDict(a=np.zeros(2, dtype=[("x", "i4")])))
]


class _Names(pickle._Unpickler):
    """Tells names as it looks them up; every global is a harmless class that takes anything."""

    def __init__(self, data: bytes, tell: Tell) -> None:
        super().__init__(io.BytesIO(data))
        self.tell = tell

    def find_class(self, module: str, name: str) -> Any:
        self.tell(pickle_machine.import_name((module, name), getattr(self, "proto", 0)))
        return _Anything


class _JoblibNames(NumpyUnpickler):  # type: ignore[misc] # joblib has no types
    """The same through joblib's own unpickler, which reads raw arrays: only what it needs for these is real."""

    REAL = frozenset({("joblib.numpy_pickle", "NumpyArrayWrapper"), ("numpy", "dtype"), ("numpy", "ndarray")})

    def __init__(self, data: bytes, tell: Tell) -> None:
        super().__init__("", io.BytesIO(data), ensure_native_byte_order=False)
        self.tell = tell

    def find_class(self, module: str, name: str) -> Any:
        self.tell(pickle_machine.import_name((module, name), getattr(self, "proto", 0)))
        return super().find_class(module, name) if (module, name) in self.REAL else _Anything


class _Anything:
    def __new__(cls, *_args: Any, **_keywords: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, *_args: Any, **_keywords: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def looked_up(unpickler: type[_Names | _JoblibNames], data: bytes) -> set[tuple[str, str]]:
    """What an unpickler looks up, in a child: numpy's own arrays and dtypes may crash the interpreter when their state is mangled."""
    reading, writing = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # of forking beside other threads, which the child never needs
        child = os.fork()
    if child == 0:
        try:
            faulthandler.disable()
            warnings.simplefilter("ignore")
            unpickler(data, lambda name: os.write(writing, f"{json.dumps(name)}\n".encode())).load()
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as told:  # noqa: PTH123 - by descriptor
        names = {(module, name) for module, name in map(json.loads, told)}
    os.waitpid(child, 0)
    return names


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid pickle with some bytes changed, taken away or put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[place:place] = draw(st.binary(max_size=6))
            case 1:
                del data[place : place + draw(st.integers(1, 4))]
            case 2:
                data[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case _:
                data[place:place] = draw(st.sampled_from(NAMES))
    return bytes(data)


composed = st.lists(st.one_of(st.sampled_from(NAMES), st.sampled_from([bytes([code]) for code in OPCODES])), max_size=40).map(
    lambda parts: b"\x80\x04" + b"".join(parts) + b"."
)


@settings(max_examples=400)
@given(st.binary(max_size=300))
def test_random_bytes_end_in_a_result_or_the_typed_error(data: bytes) -> None:
    """No bytes may crash the scan."""
    with contextlib.suppress(StreamError):
        scan_pickle(ByteStream.of_bytes(data))
    with contextlib.suppress(StreamError):
        scan_pickle(open_stream(io.BytesIO(data), size=len(data), limit=1_000_000))


@settings(max_examples=600)
@given(st.one_of(mutated(), composed))
def test_nothing_is_imported_that_was_not_found(data: bytes) -> None:
    """Whatever the real unpickler looks up before it ends or fails must be among the names, unless the scan refuses."""
    try:
        found = scan_pickle(ByteStream.of_bytes(data))
    except StreamError:
        return
    if found.suspicious:
        return
    unpicklers: list[type[_Names | _JoblibNames]] = [_JoblibNames]
    if not any(module.startswith("joblib") for module, _ in found.globals):  # raw arrays, which only joblib reads
        unpicklers.append(_Names)

    for unpickler in unpicklers:
        assert looked_up(unpickler, data) <= set(found.globals)


def test_the_real_unpicklers_tell_what_they_look_up() -> None:
    """Both real unpicklers must tell the names in an unharmed file, or the comparison above would hold for nothing."""
    data = pickle.dumps(OrderedDict(a=Decimal(1)), 4)

    for unpickler in (_Names, _JoblibNames):
        assert looked_up(unpickler, data) == {("collections", "OrderedDict"), ("decimal", "Decimal")}
