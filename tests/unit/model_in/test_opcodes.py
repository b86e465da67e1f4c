"""Every name that a pickle would import is found, however it is spelled; what cannot be known for certain is refused."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import io
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from mlsandbox.packaging import pickle_machine
from mlsandbox.packaging.bytestream import ByteStream, StreamError, Truncated, open_stream
from mlsandbox.packaging.opcodes import _HANDLERS, scan_pickle
from mlsandbox.packaging.pickle_machine import PickleScan

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Recorder(pickle._Unpickler):
    """What the standard library's own unpickler imports."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.found: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.found.add((module, name))
        return super().find_class(module, name)


class Runs:
    """An object whose unpickling would run a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("true",)


def scan(data: bytes) -> PickleScan:
    """The scan of a plain pickle."""
    return scan_pickle(ByteStream.of_bytes(data))


def scan_file(path: Path) -> PickleScan:
    """The scan of a file, compressed or not."""
    with path.open("rb") as file:
        return scan_pickle(open_stream(file, size=path.stat().st_size))


VALUES: dict[str, Any] = {
    "array": np.arange(5.0),
    "structured": np.zeros(3, dtype=[("a", "<i8"), ("b", "<f4", (2,)), ("c", "S5")]),
    "objects": np.array(["a", None, dt.date(2020, 1, 1)], dtype=object),
    "nested": {"x": [1, 2.5, "ü\n", b"\x00\xff" * 600, None, True, 2**80, -3, ()], "y": {1, 2}, "z": frozenset([3])},
    "ordered": collections.OrderedDict(a=decimal.Decimal("1.5"), b=collections.Counter("aab")),
    "dates": np.array(["2020-01-01", "NaT"], dtype="datetime64[us]"),
    "texts": np.array(["a", "bcd"]),
    "state": np.random.RandomState(3),
    "empty": np.empty((0, 4)),
    "scalar": np.float32(3.5),
    "fortran": np.asfortranarray(np.ones((3, 4))),
    "big": np.zeros(200_000),
    "many": [np.full(3, number) for number in range(50)],
    "same": [np.arange(3)] * 2,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", VALUES)
def test_names_are_those_of_the_real_unpickler(name: str, protocol: int) -> None:
    """The scan must find every name that unpickling looks up, in every protocol."""
    data = pickle.dumps(VALUES[name], protocol=protocol)
    recorder = Recorder(data)
    recorder.load()

    found = scan(data)

    assert {pickle_machine.import_name(pair, protocol) for pair in recorder.found} == set(found.globals)
    assert not found.suspicious


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
@pytest.mark.parametrize("name", VALUES)
def test_joblib_files_are_read_to_their_end(tmp_path: Path, name: str, compress: Any) -> None:
    """In a joblib file the names after raw arrays must be found, in each compression."""
    path = tmp_path / "value.joblib"
    joblib.dump([VALUES[name], decimal.Decimal(1)], path, compress=compress)

    found = scan_file(path)

    assert ("decimal", "Decimal") in found.globals
    assert not found.suspicious


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_joblib_files_of_every_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    """The wrapper of joblib must be understood however it is pickled."""
    path = tmp_path / "value.joblib"
    joblib.dump([np.arange(10), VALUES["objects"], VALUES["structured"], decimal.Decimal(1)], path, protocol=protocol)

    assert ("decimal", "Decimal") in scan_file(path).globals


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_command_is_found(protocol: int) -> None:
    """os.system must be named, in every protocol."""
    assert (os.system.__module__, "system") in scan(pickle.dumps(Runs(), protocol=protocol)).globals


def test_a_command_in_an_object_array_of_a_joblib_file_is_found(tmp_path: Path) -> None:
    """The pickle nested in a joblib file must be walked too."""
    path = tmp_path / "value.joblib"
    joblib.dump([np.arange(4), np.array([Runs(), 1], dtype=object)], path, compress=3)

    assert (os.system.__module__, "system") in scan_file(path).globals


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93)R.",
        b"\x80\x04\x8c\x02os\x8c\x06systemq\x05200h\x05\x93)R.",
        b"(S'true'\nios\nsystem\n.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(cos\nsystem\nS'true'\no.",
        b"\x80\x04X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93)R.",
        b"S'os'\nS'sys\\x74em'\n\x93)R.",
        b"Vos\nVsys\\u0074em\n\x93)R.",
    ],
)
def test_every_spelling_of_a_name_is_found(data: bytes) -> None:
    """A name must be found through memo, duplicate, INST, OBJ, GLOBAL and escaped texts."""
    assert ("os", "system") in scan(data).globals


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x04cbuiltins\nstr\n)R\x8c\x06system\x93.", pickle_machine.COMPUTED),
        (b"\x80\x04" + b"\x8d" + (2000).to_bytes(8, "little") + b"o" * 2000 + b"\x8c\x06system\x93.", pickle_machine.COMPUTED),
        (b"\x80\x02\x82\x01.", pickle_machine.EXTENSION),
        (b"Pid\n.", pickle_machine.PERSISTENT),
        (b"\x80\x02K\x01Q.", pickle_machine.PERSISTENT),
        (b"\x80\x02cbuiltins\nlist\n)R)R.", pickle_machine.RESULT_CALLED),
        (b"\x80\x02cbuiltins\nlist\n}b.", f"{pickle_machine.GLOBAL_CHANGED}: builtins.list"),
        (b"\x80\x02cbuiltins\nlist\nK\x01a.", f"{pickle_machine.GLOBAL_CHANGED}: builtins.list"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", pickle_machine.CODEC),
    ],
)
def test_what_cannot_be_known_is_suspicious(data: bytes, reason: str) -> None:
    """A computed name, an extension code, an outside object or a call of a result must be reported."""
    assert reason in scan(data).suspicious


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\x09.",
        b"\x80\x04.",
        b"hello world",
        b"\x80\x04K\x01",
        b"\x80\x04h\x07.",
        b"\x80\x04R.",
        b"\x80\x04t.",
        b"\x80\x05\x97.",
        b"cos\nsystem",
        b"\x80\x04\x8d" + b"\xff" * 8 + b"x.",
        b"T\xff\xff\xff\xffa.",
        b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello.",
        b"\x80\x04\x95\x08\x00\x00\x00\x00\x00\x00\x00\x95\x01\x00\x00\x00\x00\x00\x00\x00N.",
    ],
)
def test_damaged_pickles_have_a_typed_error(data: bytes) -> None:
    """What is no whole pickle must raise StreamError, nothing else."""
    with pytest.raises(StreamError):
        scan(data)


def test_what_follows_the_end_is_not_read() -> None:
    """Bytes after STOP are never loaded, so they must not matter."""
    assert not scan(pickle.dumps(1) + pickle.dumps(Runs())).globals


def _wrapper(state: bytes, *, between: bytes = b"") -> bytes:
    return b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + between + state + b"b"


DTYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R"
STATE = b"}(X\x05\x00\x00\x00shapeK\x08\x85X\x05\x00\x00\x00dtype" + DTYPE + b"u"


def test_raw_bytes_are_skipped_not_read_as_opcodes() -> None:
    """Exactly as many bytes as joblib reads must be skipped."""
    found = scan(_wrapper(STATE) + b"\x80\x02cos\nx\n" + b"cdecimal\nDecimal\n\x86.")

    assert ("decimal", "Decimal") in found.globals
    assert ("os", "x") not in found.globals


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R" + STATE + b"b" + b"x" * 8 + b".",
        b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n]\x86.",
        _wrapper(b"}(X\x05\x00\x00\x00shapeJ\xff\xff\xff\xff\x85X\x05\x00\x00\x00dtype" + DTYPE + b"u") + b"x" * 8 + b".",
        _wrapper(b"}(X\x05\x00\x00\x00shape]X\x05\x00\x00\x00dtype" + DTYPE + b"u") + b"x" * 8 + b".",
        _wrapper(b"}(X\x05\x00\x00\x00shapeK\x08\x85X\x05\x00\x00\x00dtypeNu") + b"x" * 8 + b".",
        _wrapper(b"}(X\x05\x00\x00\x00shapeK\x08\x85X\x05\x00\x00\x00dtype" + DTYPE + b"X\x05\x00\x00\x00otherNu") + b"x" * 8 + b".",
        _wrapper(STATE, between=b"cbuiltins\nlist\n)R0") + b"x" * 8 + b".",
        _wrapper(STATE + b"cbuiltins\nlist\n)R0") + b"x" * 8 + b".",
        b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81q\x00"
        + STATE
        + b"b"
        + b"x" * 8
        + b"h\x00"
        + STATE
        + b"b"
        + b"x" * 8
        + b".",
        b"\x80\x04\x95" + (len(_wrapper(STATE)) - 2 + 20).to_bytes(8, "little") + _wrapper(STATE)[2:] + b"N" * 30 + b".",
    ],
)
def test_a_wrapper_used_in_another_way_than_joblibs_is_refused(data: bytes) -> None:
    """Where joblib could skip other bytes than the scan, the scan must refuse."""
    with pytest.raises(StreamError):
        scan(data)


def _dtype(state: bytes, text: bytes = b"V8") -> bytes:
    return b"cnumpy\ndtype\n(U%c%stR" % (len(text), text) + state + b"b"


@pytest.mark.parametrize(
    "state",
    [
        (3, "|", None, None, None, -1, -1, 63),
        (3, "|", None, None, None, 10**9, 1, 0),
        (3, "|", None, ("a",), {"b": (1, 0)}, 8, 1, 16),
        (3, "|", None, None, None, 8, 0, 0),
        (3, "|"),
        "state",
    ],
)
def test_a_dtype_that_contradicts_itself_is_refused(state: object) -> None:
    """A state with which numpy would leave an array's memory must be refused."""
    data = b"\x80\x02" + _dtype(pickle.dumps(state, protocol=2)[2:-1]) + b"."

    with pytest.raises(StreamError):
        scan(data)


def test_a_record_field_must_lie_within_the_record() -> None:
    """An offset past the end of a record must be refused."""
    inner = b"cnumpy\ndtype\nX\x02\x00\x00\x00i8\x85R"
    state = b"(K\x03U\x01|N(U\x01at}U\x01a" + inner + b"K\x04\x86sK\x08K\x01K\x10t"

    with pytest.raises(StreamError, match="outside"):
        scan(b"\x80\x02" + _dtype(state) + b".")


def test_a_file_may_not_expand_without_bound(tmp_path: Path) -> None:
    """A decompression bomb must end in an error."""
    path = tmp_path / "bomb.joblib"
    joblib.dump(np.zeros(4_000_000), path, compress=9)

    with path.open("rb") as file, pytest.raises(StreamError, match="expands"):
        scan_pickle(open_stream(file, size=path.stat().st_size, limit=1_000_000))


def test_too_many_opcodes_are_suspicious() -> None:
    """Past the bound the rest must be reported as unchecked."""
    found = scan_pickle(ByteStream.of_bytes(pickle.dumps(list(range(5000)))), max_opcodes=1000)

    assert pickle_machine.TOO_LARGE in found.suspicious


def test_a_cut_file_says_so(tmp_path: Path) -> None:
    """A half file must be told from a wrong one."""
    path = tmp_path / "value.joblib"
    joblib.dump([np.arange(1000.0), "end"], path)
    path.write_bytes(path.read_bytes()[:2000])

    with pytest.raises(Truncated):
        scan_file(path)


def test_every_opcode_is_known() -> None:
    """The table must cover all that pickletools knows, but STOP."""
    known = {ord(opcode.code) for opcode in pickletools.opcodes} - {ord(".")}

    assert {code for code, handler in enumerate(_HANDLERS) if handler is not None} == known


@pytest.mark.parametrize("protocol", [0, 2])
def test_versions_of_estimators_are_read(protocol: int) -> None:
    """The version that scikit-learn writes into a state must be found."""
    assert scan(pickle.dumps({"_sklearn_version": "1.4.2"}, protocol=protocol)).versions == {"scikit-learn": "1.4.2"}
