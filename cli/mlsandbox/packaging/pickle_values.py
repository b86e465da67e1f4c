"""What the opcode reader knows of a value on the pickle machine's stack, without ever making the value.

Strings, ints, small bytes, None, bools and short tuples stand for themselves; all else is OPAQUE or one of the classes here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

from mlsandbox.packaging.bytestream import StreamError

Pair = tuple[str, str]
"""(module, qualified name) of a class or function."""


class _Opaque:
    def __repr__(self) -> str:
        return "OPAQUE"


OPAQUE: Final = _Opaque()
"""A value that does not matter for what is imported, called or skipped."""


@dataclass(slots=True)
class Global:
    """A class or function that the pickle imports."""

    pair: Pair


@dataclass(slots=True)
class WrapperClass(Global):
    """joblib's NumpyArrayWrapper: raw array bytes follow once an instance got its state."""


@dataclass(slots=True)
class ArrayClass(Global):
    """A class that makes arrays of memory: handed to the functions that rebuild arrays, and to nothing else."""


@dataclass(slots=True)
class ArrayArguments:
    """A tuple that holds an ArrayClass: the arguments of such a function."""


@dataclass(slots=True)
class Sequence:
    """A list; `whole` tells whether `items` are all of it."""

    items: list[Any] = field(default_factory=list)
    whole: bool = True

    def extend(self, items: list[Any]) -> None:
        """Append, as far as short lists go."""
        self.whole = self.whole and len(self.items) + len(items) <= _LONG_LIST
        if self.whole:
            self.items.extend(items)


@dataclass(slots=True)
class Instance:
    """What a call of a Global gives; `state` is what BUILD set. For a dtype: its layout once known, and whether another one holds it."""

    made_by: Pair
    args: Any
    state: Any = None
    builds: int = 0
    layout: ArrayLayout | None = None
    held: bool = False


@dataclass(slots=True)
class Wrapper:
    """An instance of NumpyArrayWrapper that still waits for its state, or had it (`spent`); `effects` as in Mapping."""

    effects: int
    spent: bool = False


@dataclass(slots=True)
class GuardedTuple:
    """The one tuple that may hold a WrapperClass: the arguments of copyreg._reconstructor."""


@dataclass(slots=True)
class Mapping:
    """A dict, as far as its keys are short strings; `effects` counts the calls that the machine had seen when it was made."""

    effects: int
    items: dict[str, Any] = field(default_factory=dict)
    other_keys: bool = False


GUARDED: Final = (WrapperClass, Wrapper, GuardedTuple)
"""Values that only few opcodes may take: anything else could make joblib skip other bytes than this reader does."""

_LONG_LIST: Final = 64
_SIMPLE: Final = re.compile(r"[<>=|]?([biufcSUVOmM])(\d{1,9})")
_SIZES: Final = {
    "b": {1},
    "i": {1, 2, 4, 8},
    "u": {1, 2, 4, 8},
    "f": {2, 4, 8, 12, 16},
    "c": {8, 16, 24, 32},
    "O": {4, 8},
    "m": {8},
    "M": {8},
}
_ALIGNMENTS: Final = {"S": {1}, "U": {4}, "V": {1, 2, 4, 8, 16}}
_FLAGS: Final = {"O": 63, "U": 8}
_HAS_OBJECT, _FROM_FIELDS, _OF_RECORDS, _MEANT = 1, 27, 16, 127
"""Bits of a dtype's flags: references inside; what fields pass on; set for every record; all but the one for aligned records."""
_MAX_FIELDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """Bytes of one array element, and numpy's flags of the dtype."""

    itemsize: int
    flags: int

    @property
    def has_object(self) -> bool:
        """Whether elements are Python objects: joblib writes a nested pickle then."""
        return bool(self.flags & _HAS_OBJECT)


def array_layout(dtype: object, depth: int = 0) -> ArrayLayout:
    """Layout of a pickled numpy dtype.

    Raises:
        StreamError: the layout cannot be told for certain, or numpy would read and write outside of an array of it.
    """
    match dtype:
        case Instance(made_by=("numpy", "dtype"), args=(str(text), *rest)) if len(rest) <= 2 and depth < 8:
            found = _SIMPLE.fullmatch(text)
        case _:
            raise StreamError("an array's dtype is not a plain numpy dtype")
    if dtype.layout is not None:
        return dtype.layout
    if found is None or dtype.builds > 1 or (dtype.held and dtype.builds):
        raise StreamError(f"an array's dtype {text!r} is not known")
    letter, size = found[1], int(found[2])
    if letter in _SIZES and size not in _SIZES[letter]:
        raise StreamError(f"an array's dtype {text!r} is not known")
    plain = ArrayLayout(size * 4 if letter == "U" else size, _FLAGS.get(letter, 0))
    if dtype.state is None:
        return plain
    dtype.layout = _checked(dtype.state, plain, letter, depth)
    return dtype.layout


def _checked(state: Any, plain: ArrayLayout, letter: str, depth: int) -> ArrayLayout:
    """The layout after BUILD; a state that contradicts the dtype is refused, since numpy would believe it."""
    if not isinstance(state, tuple) or len(state) not in {8, 9} or not all(type(state[index]) is int for index in (0, 5, 6, 7)):
        raise StreamError("an array's dtype has an unknown state")
    order, subarray, names, fields, elsize, alignment, flags = state[1:8]
    if not isinstance(order, str) or alignment not in _ALIGNMENTS.get(letter, {-1}):
        raise StreamError("an array's dtype has an unknown state")
    layout = plain
    if letter == "V" and subarray is not None:
        layout = _subarray(subarray, plain.itemsize, depth)
    elif letter == "V" and (names, fields) != (None, None):
        layout = _record(names, fields, plain.itemsize, depth)
        names = fields = None
    if letter != "V" and subarray is not None:
        raise StreamError("an array's dtype contradicts itself")
    if (names, fields) != (None, None) or flags & _MEANT != layout.flags or elsize != (plain.itemsize if letter in "SUV" else -1):
        raise StreamError("an array's dtype contradicts itself")
    return layout


def _record(names: object, fields: object, itemsize: int, depth: int) -> ArrayLayout:
    if not isinstance(names, tuple) or not isinstance(fields, Mapping) or len(fields.items) > _MAX_FIELDS:
        raise StreamError("an array's record fields are not known")
    if not all(isinstance(name, str) and name in fields.items for name in names):
        raise StreamError("an array's record fields are not known")
    flags = _OF_RECORDS
    for entry in fields.items.values():
        match entry:
            case (Instance() as dtype, int() as offset, *titles) if offset >= 0 and len(titles) <= 1:
                layout = _held(dtype, depth)
            case _:
                raise StreamError("an array's record fields are not known")
        if offset + layout.itemsize > itemsize:
            raise StreamError("a record field lies outside of the record")
        flags |= layout.flags & _FROM_FIELDS
    return ArrayLayout(itemsize, flags)


def _subarray(entry: object, itemsize: int, depth: int) -> ArrayLayout:
    match entry:
        case (Instance() as dtype, tuple() as shape) if all(type(each) is int and each >= 0 for each in shape):
            layout = _held(dtype, depth)
        case _:
            raise StreamError("an array's record fields are not known")
    if layout.itemsize * math.prod(shape) != itemsize:
        raise StreamError("an array's dtype contradicts itself")
    return ArrayLayout(itemsize, layout.flags)


def _held(dtype: Instance, depth: int) -> ArrayLayout:
    """Layout of a dtype within another; from now on its state may not change."""
    layout = array_layout(dtype, depth + 1)
    dtype.held = True
    return layout
