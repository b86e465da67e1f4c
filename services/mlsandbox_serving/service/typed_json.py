"""Read a request's body straight into typed values: decoders made from the schema check names, types and ranges while they parse.

They take a part of what `decoding.decode` takes, with the same values, and say nothing about the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from mlsandbox_serving.contract import ENVELOPES
from mlsandbox_serving.schema import Column, Columns, Schema
from mlsandbox_serving.schema.column_check import ColumnCheck, check_of, range_of
from mlsandbox_serving.service.json_body import has_names

_ENVELOPE: Final = re.compile(rb'\s*\{\s*"(?:rows|columns)"')
# A struct's names cannot hold these; and JSON of half a surrogate pair is none.
_NO_NAME: Final = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# Names in another order than the schema's are searched one by one: with more of them a client could make that slow.
_MOST_COLUMNS: Final = 500
_INT64: Final = (-(2**63), 2**63 - 1)

_as_tuple = msgspec.structs.astuple


class TypedJson:
    """Decoders for one schema.

    Args:
        schema: of the model.
    """

    def __init__(self, schema: Schema) -> None:
        self._names = schema.names
        types = [_type_of(column) for column in schema.columns]
        self._checks: list[tuple[int, ColumnCheck]] = [
            (index, check_of(column))
            for index, (column, (_, complete)) in enumerate(zip(schema.columns, types, strict=True))
            if not complete
        ]
        self._row: Callable[[bytes], Any] = _never
        self._rows: Callable[[bytes], Any] = _never
        self._columns: Callable[[bytes], Any] = _never
        if len(schema.names) > _MOST_COLUMNS or any(_NO_NAME.search(name) for name in schema.names):
            return
        row = _struct("Row", schema.names, [one for one, _ in types])
        lists = _struct("Lists", schema.names, [_list_of(one) for one, _ in types])
        if not set(ENVELOPES) & set(schema.names):
            self._row = msgspec.json.Decoder(row).decode
        self._rows = msgspec.json.Decoder(_struct("Rows", ("rows",), [_list_of(row)])).decode
        self._columns = msgspec.json.Decoder(_struct("Columns", ("columns",), [lists])).decode

    def __call__(self, body: bytes) -> Columns | None:
        """The checked columns of a body, at least one row; None when it is anything but plainly right."""
        try:
            if body.startswith(b'{"rows"'):
                return self._of_rows(body)
            if body.startswith(b'{"columns"'):
                return self._of_columns(body)
            try:
                row = self._row(body)
            except msgspec.DecodeError:
                match = _ENVELOPE.match(body)  # with spaces in odd places
                if match is None:
                    return None
                return self._of_rows(body) if match[0].endswith(b'"rows"') else self._of_columns(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return self._of_tuples([_as_tuple(row)], body, len(self._names))

    def _of_rows(self, body: bytes) -> Columns | None:
        rows = self._rows(body).f0
        return self._of_tuples(list(map(_as_tuple, rows)), body, 1 + len(rows) * len(self._names))

    def _of_tuples(self, tuples: list[tuple[Any, ...]], body: bytes, names: int) -> Columns | None:
        if not tuples or not has_names(body, names):
            return None
        columns = Columns.of_tuples(self._names, tuples)
        return self._checked(columns) if self._checks else columns

    def _of_columns(self, body: bytes) -> Columns | None:
        lists: tuple[list[Any], ...] = _as_tuple(self._columns(body).f0)
        rows = len(lists[0])
        if rows == 0 or any(len(values) != rows for values in lists) or not has_names(body, 1 + len(lists)):
            return None
        columns = Columns(dict(zip(self._names, lists, strict=True)), rows)
        return self._checked(columns) if self._checks else columns

    def _checked(self, columns: Columns) -> Columns | None:
        """With the columns checked whose types alone do not say everything."""
        checked: dict[str, list[Any]] = {}
        for index, check in self._checks:
            name = self._names[index]
            normal = check.normalised(columns.by_name[name])
            if normal is None:
                return None
            checked[name] = normal
        return Columns({**columns.by_name, **checked}, columns.rows)


def _never(body: bytes) -> Any:
    raise msgspec.DecodeError(f"no decoder for these {len(body)} bytes")


def _struct(name: str, names: Sequence[str], types: Sequence[Any]) -> type[msgspec.Struct]:
    """A struct with one field f0, f1, … per name, all required, nothing else allowed."""
    fields = [(f"f{index}", one) for index, one in enumerate(types)]
    rename = {f"f{index}": one for index, one in enumerate(names)}
    return msgspec.defstruct(name, fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _list_of(one: Any) -> Any:
    return list[one]


def _type_of(column: Column) -> tuple[Any, bool]:
    """The type of one value, null included, and whether it says everything about the column."""
    made, complete = _TYPES[column.type](column)
    return (made | None if column.nullable and made is not Any else made), complete


def _float(column: Column) -> tuple[Any, bool]:
    largest = range_of(column)[1]
    return (float if math.isinf(largest) else Annotated[float, msgspec.Meta(ge=-largest, le=largest)]), True


def _integer(column: Column) -> tuple[Any, bool]:
    lowest, highest = range_of(column)
    return Annotated[int, msgspec.Meta(ge=max(int(lowest), _INT64[0]), le=min(int(highest), _INT64[1]))], True


def _category(column: Column) -> tuple[Any, bool]:
    known = column.categories or ()
    kinds = set(map(type, known))
    texts = kinds == {str} and not any(_SURROGATE.search(str(category)) for category in known)
    numbers = kinds == {int} and all(_INT64[0] <= int(category) <= _INT64[1] for category in known)
    return (Literal[known], True) if texts or numbers else (Any, False)


_TYPES: Final[dict[str, Callable[[Column], tuple[Any, bool]]]] = {
    "boolean": lambda _: (bool, True),
    "category": _category,
    "datetime": lambda _: (str, False),
    "float": _float,
    "integer": _integer,
    "string": lambda _: (str, True),
}
