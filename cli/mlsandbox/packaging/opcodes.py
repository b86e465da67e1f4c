"""Find every class and function that a pickle would import, by walking its opcodes on a machine that makes nothing.

A name that comes through the memo, a duplicate or a protocol 0 text is found as well; a name that cannot be told is reported as
COMPUTED, never passed over. Opcodes and their arguments: `pickletools` of the standard library.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any, Final

from mlsandbox.packaging.bytestream import ByteStream, StreamError
from mlsandbox.packaging.pickle_machine import EXTENSION, MAX_OPCODES, PERSISTENT, Handler, Machine, PickleScan
from mlsandbox.packaging.pickle_texts import ascii_text, decimal, quoted, raw_unicode, utf8
from mlsandbox.packaging.pickle_values import (
    GUARDED,
    OPAQUE,
    ArrayArguments,
    ArrayClass,
    Global,
    GuardedTuple,
    Mapping,
    Sequence,
    Wrapper,
    WrapperClass,
)

_SHORT: Final = 1024
_LONG_TUPLE: Final = 64
_OBJECT: Final = ("builtins", "object")
_INDEX: Final = re.compile(rb"\d{1,18}")


def scan_pickle(stream: ByteStream, *, persistent_ids: bool = False, max_opcodes: int = MAX_OPCODES, joblib: bool = True) -> PickleScan:
    """Walk one pickle (plain, cloudpickle or joblib) up to its STOP; what follows it is never loaded, so never read.

    Args:
        stream: the decompressed bytes.
        persistent_ids: whether objects by persistent id belong to the format (PyTorch's archives).
        max_opcodes: past so many, the rest is not checked and the scan says so.
        joblib: whether joblib loads it, and reads raw arrays between the opcodes; Python's own pickle reads opcodes only.

    Raises:
        StreamError: the bytes are no pickle, are cut short, or are built so that two readers would see two things.
    """
    scan = PickleScan()
    Machine(stream, scan, _HANDLERS, persistent_ids=persistent_ids, max_opcodes=max_opcodes, joblib=joblib).run()
    return scan


def _constant(value: object) -> Handler:
    return lambda machine: machine.stack.append(value)


def _number(size: int, *, signed: bool = False) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stack.append(int.from_bytes(machine.stream.read(size), "little", signed=signed))

    return handler


def _long(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        length = _length(machine, size, signed=size == 4)
        if length <= 16:
            machine.stack.append(int.from_bytes(machine.stream.read(length), "little", signed=True))
        else:
            machine.stream.skip(length)
            machine.stack.append(OPAQUE)

    return handler


def _length(machine: Machine, size: int, *, signed: bool = False) -> int:
    length = int.from_bytes(machine.stream.read(size), "little", signed=signed)
    if length < 0:
        raise StreamError("a value has a negative length")
    return length


def _payload(size: int, decode: Callable[[bytes], object], *, signed: bool = False) -> Handler:
    def handler(machine: Machine) -> None:
        length = _length(machine, size, signed=signed)
        if length > _SHORT:
            machine.stream.skip(length)
            machine.stack.append(OPAQUE)
        else:
            machine.stack.append(decode(machine.stream.read(length)))

    return handler


def _text(decode: Callable[[bytes], object]) -> Handler:
    return lambda machine: machine.stack.append(decode(machine.stream.line()))


def _index(machine: Machine) -> int:
    line = machine.stream.line()
    if not _INDEX.fullmatch(line):
        raise StreamError("a memo index is not a number")
    return int(line)


def _put(read: Callable[[Machine], int]) -> Handler:
    def handler(machine: Machine) -> None:
        machine.memo[read(machine)] = machine.top()

    return handler


def _get(read: Callable[[Machine], int]) -> Handler:
    def handler(machine: Machine) -> None:
        index = read(machine)
        if index not in machine.memo:
            raise StreamError(f"the pickle takes memo entry {index}, which is not there")
        machine.stack.append(machine.memo[index])

    return handler


def _tuple(machine: Machine, items: list[Any]) -> None:
    if any(isinstance(item, GUARDED) for item in items):
        match items:
            case [WrapperClass(), Global(pair=pair), None] if pair == _OBJECT:
                machine.stack.append(GuardedTuple())
                return
        machine.plain(*items)
    if any(isinstance(item, ArrayClass) for item in items):
        machine.stack.append(ArrayArguments())
    else:
        machine.plain(*items)
        machine.stack.append(tuple(items) if len(items) <= _LONG_TUPLE else OPAQUE)


def _tuple_of(count: int) -> Handler:
    def handler(machine: Machine) -> None:
        _tuple(machine, [machine.pop() for _ in range(count)][::-1])

    return handler


def _collection(machine: Machine) -> None:
    machine.plain(*machine.pop_mark())
    machine.stack.append(OPAQUE)


def _list(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.plain(*items)
    made = Sequence()
    made.extend(items)
    machine.stack.append(made)


def _empty_list(machine: Machine) -> None:
    machine.stack.append(Sequence())


def _dict(machine: Machine) -> None:
    items = machine.pop_mark()
    target = Mapping(machine.effects)
    machine.set_items(target, items)
    machine.stack.append(target)


def _extend(machine: Machine) -> None:
    _into(machine, machine.pop_mark())


def _append(machine: Machine) -> None:
    _into(machine, [machine.pop()])


def _into(machine: Machine, items: list[Any]) -> None:
    machine.plain(*items)
    target = machine.top()
    machine.changeable(target)
    if isinstance(target, Sequence):
        target.extend(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items(machine.top(), [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.set_items(machine.top(), items)


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _global(machine: Machine) -> None:
    machine.find(utf8(machine.stream.line()), utf8(machine.stream.line()))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.find(module, name)


def _inst(machine: Machine) -> None:
    module, name = utf8(machine.stream.line()), utf8(machine.stream.line())
    args = machine.pop_mark()
    machine.plain(*args)
    machine.find(module, name)
    machine.call(machine.pop(), tuple(args))


def _obj(machine: Machine) -> None:
    items = machine.pop_mark()
    if not items:
        raise StreamError("a call has no function")
    machine.plain(*items)
    machine.call(items[0], tuple(items[1:]))


def _reduce(machine: Machine) -> None:
    args, function = machine.pop(), machine.pop()
    machine.call(function, args)


def _newobj(machine: Machine) -> None:
    args, cls = machine.pop(), machine.pop()
    if isinstance(cls, WrapperClass) and args == ():
        machine.stack.append(Wrapper(machine.effects))
    else:
        machine.call(cls, args)


def _newobj_ex(machine: Machine) -> None:
    keywords, args, cls = machine.pop(), machine.pop(), machine.pop()
    machine.plain(keywords, args)
    machine.call(cls, OPAQUE)


def _persistent_text(machine: Machine) -> None:
    machine.stream.line()
    _persistent(machine)


def _persistent_value(machine: Machine) -> None:
    machine.plain(machine.pop())
    _persistent(machine)


def _persistent(machine: Machine) -> None:
    if not machine.persistent_ids:
        machine.scan.suspicious[PERSISTENT] = None
    machine.stack.append(OPAQUE)


def _extension(size: int) -> Handler:
    def handler(machine: Machine) -> None:
        machine.stream.skip(size)
        machine.scan.suspicious[EXTENSION] = None
        machine.stack.append(OPAQUE)

    return handler


def _proto(machine: Machine) -> None:
    machine.protocol = machine.stream.byte()
    if machine.protocol > pickle.HIGHEST_PROTOCOL:
        raise StreamError(f"pickle protocol {machine.protocol} is not known")


def _frame(machine: Machine) -> None:
    if machine.stream.position - 1 < machine.frame_end:
        raise StreamError("a frame begins within a frame")
    size = _length(machine, 8)
    machine.frame_end = machine.stream.position + size


def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _no_value(machine: Machine) -> None:
    raise StreamError(f"the pickle at byte {machine.stream.position} needs buffers from outside the file")


def _byte_index(machine: Machine) -> int:
    return machine.stream.byte()


def _long_index(machine: Machine) -> int:
    return _length(machine, 4)


def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


def _empty_dict(machine: Machine) -> None:
    machine.stack.append(Mapping(machine.effects))


def _float_text(machine: Machine) -> None:
    machine.stream.line()
    machine.stack.append(OPAQUE)


def _float(machine: Machine) -> None:
    machine.stream.skip(8)
    machine.stack.append(OPAQUE)


def _duplicate(machine: Machine) -> None:
    machine.stack.append(machine.top())


_TABLE: Final[dict[bytes, Handler]] = {
    pickle.MARK: Machine.mark,
    pickle.POP: _pop,
    pickle.POP_MARK: _pop_mark,
    pickle.DUP: _duplicate,
    pickle.NONE: _constant(None),
    pickle.NEWTRUE: _constant(True),
    pickle.NEWFALSE: _constant(False),
    pickle.INT: _text(decimal),
    pickle.LONG: _text(decimal),
    pickle.BININT: _number(4, signed=True),
    pickle.BININT1: _number(1),
    pickle.BININT2: _number(2),
    pickle.LONG1: _long(1),
    pickle.LONG4: _long(4),
    pickle.FLOAT: _float_text,
    pickle.BINFLOAT: _float,
    pickle.STRING: _text(quoted),
    pickle.BINSTRING: _payload(4, ascii_text, signed=True),
    pickle.SHORT_BINSTRING: _payload(1, ascii_text),
    pickle.UNICODE: _text(raw_unicode),
    pickle.BINUNICODE: _payload(4, utf8),
    pickle.SHORT_BINUNICODE: _payload(1, utf8),
    pickle.BINUNICODE8: _payload(8, utf8),
    pickle.BINBYTES: _payload(4, bytes),
    pickle.SHORT_BINBYTES: _payload(1, bytes),
    pickle.BINBYTES8: _payload(8, bytes),
    pickle.BYTEARRAY8: _payload(8, lambda _: OPAQUE),
    pickle.NEXT_BUFFER: _no_value,
    pickle.READONLY_BUFFER: _no_value,
    pickle.EMPTY_LIST: _empty_list,
    pickle.EMPTY_SET: _constant(OPAQUE),
    pickle.EMPTY_DICT: _empty_dict,
    pickle.EMPTY_TUPLE: _constant(()),
    pickle.TUPLE: lambda machine: _tuple(machine, machine.pop_mark()),
    pickle.TUPLE1: _tuple_of(1),
    pickle.TUPLE2: _tuple_of(2),
    pickle.TUPLE3: _tuple_of(3),
    pickle.LIST: _list,
    pickle.FROZENSET: _collection,
    pickle.DICT: _dict,
    pickle.APPEND: _append,
    pickle.APPENDS: _extend,
    pickle.ADDITEMS: _extend,
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: _set_items,
    pickle.GET: _get(_index),
    pickle.BINGET: _get(_byte_index),
    pickle.LONG_BINGET: _get(_long_index),
    pickle.PUT: _put(_index),
    pickle.BINPUT: _put(_byte_index),
    pickle.LONG_BINPUT: _put(_long_index),
    pickle.MEMOIZE: _memoize,
    pickle.GLOBAL: _global,
    pickle.STACK_GLOBAL: _stack_global,
    pickle.INST: _inst,
    pickle.OBJ: _obj,
    pickle.REDUCE: _reduce,
    pickle.NEWOBJ: _newobj,
    pickle.NEWOBJ_EX: _newobj_ex,
    pickle.BUILD: Machine.build,
    pickle.PERSID: _persistent_text,
    pickle.BINPERSID: _persistent_value,
    pickle.EXT1: _extension(1),
    pickle.EXT2: _extension(2),
    pickle.EXT4: _extension(4),
    pickle.PROTO: _proto,
    pickle.FRAME: _frame,
}
_HANDLERS: Final[tuple[Handler | None, ...]] = tuple(_TABLE.get(bytes((code,))) for code in range(256))
