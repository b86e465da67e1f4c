"""A pickle machine that makes nothing: it keeps stack, marks and memo like Python's own, to know every name and every byte that counts.

joblib files are pickles with raw arrays between the opcodes: the machine knows where they begin and how long they are, or refuses.
joblib's layout: `joblib.numpy_pickle.NumpyArrayWrapper.read_array`.
"""

from __future__ import annotations

import _compat_pickle
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from mlsandbox.packaging import pickle_rules as rules
from mlsandbox.packaging.bytestream import ByteStream, StreamError
from mlsandbox.packaging.pickle_values import (
    GUARDED,
    OPAQUE,
    ArrayArguments,
    ArrayClass,
    Global,
    GuardedTuple,
    Instance,
    Mapping,
    Pair,
    Wrapper,
    WrapperClass,
    array_layout,
)

COMPUTED: Final = "(a name computed while loading)"
EXTENSION: Final = "(a code of the copyreg extension registry)"
PERSISTENT: Final = "(an object outside of the pickle, by persistent id)"
RESULT_CALLED: Final = "(the result of a call is called)"
GLOBAL_CHANGED: Final = "(an imported object is changed)"
CALLED_WRONGLY: Final = "(called in a way that no real pickle does)"
CODEC: Final = "(_codecs.encode with another encoding than latin1)"
TOO_LARGE: Final = "(more objects than can be checked)"

MAX_OPCODES: Final = 100_000_000
MAX_STACK: Final = 20_000_000

MAX_KEYS: Final = 1_000
_WRAPPER: Final = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_WRAPPER_STATE: Final = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
_RECONSTRUCTOR: Final = ("copyreg", "_reconstructor")
_DTYPE: Final = ("numpy", "dtype")
_SUBCLASS: Final = "subclass"
_ATTRIBUTES_BY_KEY: Final = {("sklearn.utils._bunch", "Bunch"), _RECONSTRUCTOR}
_HARMLESS_CALLS: Final = {_DTYPE, ("_codecs", "encode")}
_STOP: Final = pickle.STOP[0]
_FRAME: Final = pickle.FRAME[0]


@dataclass(slots=True)
class PickleScan:
    """What a pickle references.

    Attributes:
        globals: what it imports, in the order of first use.
        called: those that it calls with arguments, or in a way that calls what the arguments hold.
        suspicious: what no list can allow (one of the texts above, with a detail), in the order of first use.
        versions: library versions that estimators wrote into their state.
    """

    globals: dict[Pair, None] = field(default_factory=dict)
    called: dict[Pair, None] = field(default_factory=dict)
    suspicious: dict[str, None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    opcodes: int = 0


class Machine:
    """One pickle stream's stack, marks and memo."""

    def __init__(
        self,
        stream: ByteStream,
        scan: PickleScan,
        handlers: Sequence[Handler | None],
        *,
        persistent_ids: bool,
        max_opcodes: int,
        joblib: bool,
    ) -> None:
        self.stream = stream
        self.scan = scan
        self.handlers = handlers
        self.effects = 0
        self.persistent_ids = persistent_ids
        self.max_opcodes = max_opcodes
        self.joblib = joblib
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.methods: list[tuple[str, Any]] = []
        self.protocol = 0
        self.frame_end = 0

    def run(self) -> None:
        stream, handlers, scan = self.stream, self.handlers, self.scan
        while True:
            start = stream.position
            opcode = stream.byte()
            if opcode == _STOP:
                break
            handler = handlers[opcode]
            if handler is None:
                raise StreamError(f"byte {start} is no pickle opcode")
            handler(self)
            if start < self.frame_end < stream.position and opcode != _FRAME:
                raise StreamError(f"the value at byte {start} goes past the end of its frame")
            scan.opcodes += 1
            if scan.opcodes > self.max_opcodes or len(self.stack) > MAX_STACK or len(self.memo) > MAX_STACK:
                scan.suspicious[TOO_LARGE] = None
                return
        if not self.stack:
            raise StreamError("the pickle ends without a value")
        self.scan.suspicious.update(dict.fromkeys(rules.method_faults(self.methods)))

    # -- stack ------------------------------------------------------------------------------------------------------

    def pop(self) -> Any:
        if not self.stack:
            raise StreamError(f"the pickle takes a value that is not there, at byte {self.stream.position}")
        return self.stack.pop()

    def top(self) -> Any:
        if not self.stack:
            raise StreamError(f"the pickle takes a value that is not there, at byte {self.stream.position}")
        return self.stack[-1]

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []
        if len(self.marks) > MAX_STACK:
            raise StreamError("the pickle has too many open marks")

    def pop_mark(self) -> list[Any]:
        if not self.marks:
            raise StreamError(f"the pickle closes a mark that is not there, at byte {self.stream.position}")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def plain(self, *values: object) -> None:
        for value in values:
            if isinstance(value, GUARDED):
                raise StreamError("joblib's array wrapper is used in a way that joblib itself never does")
            if isinstance(value, ArrayClass | ArrayArguments):
                self.scan.suspicious[rules.ARRAY_CLASS] = None

    def changeable(self, target: object) -> None:
        """Items and state go into new objects only: changing an imported one would change what others do."""
        self.plain(target)
        if isinstance(target, Global):
            self.scan.suspicious[f"{GLOBAL_CHANGED}: {'.'.join(target.pair)}"] = None

    # -- names and calls --------------------------------------------------------------------------------------------

    def find(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            self.plain(module, name)
            self.scan.suspicious[COMPUTED] = None
            self.stack.append(OPAQUE)
            return
        pair = import_name((module, name), self.protocol)
        self.scan.globals[pair] = None
        if pair == _WRAPPER and self.joblib:
            self.stack.append(WrapperClass(pair))
        else:
            self.stack.append(ArrayClass(pair) if pair in rules.ARRAY_CLASSES else Global(pair))

    def call(self, function: object, args: object) -> None:
        self.plain(function)
        match function, args:
            case Global(pair=pair), GuardedTuple() if pair == _RECONSTRUCTOR:
                self.stack.append(Wrapper(self.effects))
                return
            case Global(pair=("_codecs", "encode")), _ if not _is_latin1(args):
                self.scan.suspicious[CODEC] = None
            case Global(), _:
                pass
            case _:
                self.scan.suspicious[RESULT_CALLED] = None
        if isinstance(function, Global) and args != ():
            self.scan.called[function.pair] = None
            if rules.called_wrongly(function.pair, args):
                self.scan.suspicious[f"{CALLED_WRONGLY}: {'.'.join(function.pair)}"] = None
        if not (isinstance(args, ArrayArguments) and isinstance(function, Global) and function.pair in rules.REBUILDS):
            self.plain(args)
        made_by = function.pair if isinstance(function, Global) else ("", "")
        self.effects += made_by not in _HARMLESS_CALLS
        self.stack.append(Instance(made_by, args))

    def build(self) -> None:
        state = self.pop()
        target = self.top()
        self.plain(state)
        if isinstance(target, Wrapper):
            self.skip_array(target, state)
            return
        self.changeable(target)
        if not rules.names_are_known(state):
            self.scan.suspicious[rules.ATTRIBUTE_COMPUTED] = None
        if isinstance(target, Instance):
            target.state = state
            target.builds += 1
            self.effects += target.made_by not in _HARMLESS_CALLS
            if target.made_by == _DTYPE:
                target.layout = None if target.builds > 1 else target.layout
                array_layout(target)

    def skip_array(self, wrapper: Wrapper, state: object) -> None:
        """Pass over the raw bytes that joblib reads here, exactly as it does."""
        stream = self.stream
        if wrapper.spent or not isinstance(state, Mapping) or state.other_keys or not set(state.items) <= _WRAPPER_STATE:
            raise StreamError("joblib's array wrapper has an unknown state")
        if not wrapper.effects == state.effects == self.effects:  # a call in between could have changed the state
            raise StreamError("joblib's array wrapper has an unknown state")
        if stream.position < self.frame_end:
            raise StreamError("an array begins within a frame")
        self.frame_end = 0
        wrapper.spent = True
        shape = state.items.get("shape")
        alignment = state.items.get("numpy_array_alignment_bytes")
        if not isinstance(shape, tuple) or not all(type(each) is int and each >= 0 for each in shape):
            raise StreamError("an array's shape cannot be told")
        layout = array_layout(state.items.get("dtype"))
        if layout.has_object:
            nested = Machine(stream, self.scan, self.handlers, persistent_ids=False, max_opcodes=self.max_opcodes, joblib=False)
            nested.run()
            if stream.position < nested.frame_end:
                raise StreamError("a nested pickle ends before its frame does")
        else:
            if alignment is not None:
                stream.skip(stream.byte())
            size = layout.itemsize
            for each in shape:
                size *= each
            stream.skip(size)
        self.stack[-1] = OPAQUE

    def set_items(self, target: object, items: list[Any]) -> None:
        self.changeable(target)
        if len(items) % 2:
            raise StreamError("a dict has a key without a value")
        keys, values = items[::2], items[1::2]
        known = target.items if isinstance(target, Mapping) else {}
        for key, value in zip(keys, values, strict=True):
            if not (key == _SUBCLASS and isinstance(value, ArrayClass)):
                self.plain(value)
            if not isinstance(key, str):
                self.plain(key)
                self.computed_key(target)
                continue
            self.look_at_attribute(key, value)
            if len(known) <= MAX_KEYS:
                known[key] = value

    def computed_key(self, target: object) -> None:
        """A key that is no literal text."""
        if isinstance(target, Mapping):
            target.other_keys = True
        elif isinstance(target, Instance) and target.made_by in _ATTRIBUTES_BY_KEY:
            self.scan.suspicious[rules.ATTRIBUTE_COMPUTED] = None

    def look_at_attribute(self, name: str, value: object) -> None:
        """What is set as an item may become an attribute: of a state's object, or of one that shows its items as attributes."""
        fault = rules.attribute_fault(name, value)
        if fault:
            self.scan.suspicious[fault] = None
        if rules.is_method_attribute(name):
            self.methods.append((name, value))
        if name == "_sklearn_version" and isinstance(value, str):
            self.scan.versions["scikit-learn"] = value


Handler: TypeAlias = Callable[[Machine], None]


def import_name(pair: Pair, protocol: int) -> Pair:
    """The name under which Python 3 imports a global: protocols before 3 hold Python 2's, translated as pickle does by default."""
    if protocol >= 3:
        return pair
    if pair in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[pair]
    return _compat_pickle.IMPORT_MAPPING.get(pair[0], pair[0]), pair[1]


def _is_latin1(args: object) -> bool:
    return isinstance(args, tuple) and len(args) == 2 and isinstance(args[1], str) and args[1] in {"latin1", "latin-1"}
