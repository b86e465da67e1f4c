"""What the opcode reader knows of a value on the pickle machine's stack, without ever making the value.

Strings, ints, small bytes, None, bools and short tuples stand for themselves; all else is OPAQUE or one of the classes here.
"""

from __future__ import annotations

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
class Instance:
    """What a call of a Global gives; `state` is what BUILD set, `builds` how often."""

    made_by: Pair
    args: Any
    state: Any = None
    builds: int = 0


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


GUARDED: Final = (WrapperClass, Wrapper, GuardedTuple)
"""Values that only few opcodes may take: anything else could make joblib skip other bytes than this reader does."""

_SIMPLE: Final = re.compile(r"[<>=|]?([biufcSUVOmM])(\d{1,9})")
_HAS_OBJECT: Final = 1
_MAX_FIELDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """Bytes of one array element, and whether elements are Python objects (a nested pickle then)."""

    itemsize: int
    has_object: bool


def array_layout(dtype: object, depth: int = 0) -> ArrayLayout:
    """Layout of a pickled numpy dtype.

    Raises:
        StreamError: the layout cannot be told for certain from the pickle.
    """
    match dtype:
        case Instance(made_by=("numpy", "dtype"), args=(str(text), *rest)) if len(rest) <= 2 and depth < 8:
            found = _SIMPLE.fullmatch(text)
        case _:
            raise StreamError("an array's dtype is not a plain numpy dtype")
    if found is None or dtype.builds > 1:
        raise StreamError(f"an array's dtype {text!r} is not known")
    letter, size = found[1], int(found[2])
    plain = ArrayLayout(size * 4 if letter == "U" else size, has_object=letter == "O")
    state = dtype.state
    if state is None:
        return plain
    if not isinstance(state, tuple) or len(state) not in {8, 9}:
        raise StreamError("an array's dtype has an unknown state")
    subarray, names, fields, elsize, flags = state[2], state[3], state[4], state[5], state[7]
    if letter not in "SUV":
        if (subarray, names, fields, elsize) != (None, None, None, -1):
            raise StreamError("an array's dtype contradicts itself")
        return plain
    if elsize != plain.itemsize or not isinstance(flags, int):
        raise StreamError("an array's dtype contradicts itself")
    inner = [_field_layout(each, depth) for each in _fields(names, fields)]
    if subarray is not None:
        inner.append(_field_layout(subarray, depth))
    has_object = any(each.has_object for each in inner)
    if has_object != bool(flags & _HAS_OBJECT):
        raise StreamError("an array's dtype contradicts itself")
    return ArrayLayout(plain.itemsize, has_object)


def _fields(names: object, fields: object) -> list[Any]:
    if names is None and fields is None:
        return []
    if not isinstance(fields, Mapping) or len(fields.items) > _MAX_FIELDS:
        raise StreamError("an array's record fields are not known")
    return list(fields.items.values())


def _field_layout(entry: object, depth: int) -> ArrayLayout:
    if not isinstance(entry, tuple) or not entry:
        raise StreamError("an array's record fields are not known")
    return array_layout(entry[0], depth + 1)
