"""Check one column of JSON values: all at once when it is right, value by value when it is not."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from mlsandbox_serving.schema.definition import Column, Scalar
from mlsandbox_serving.schema.faults import ONE_OF, shortened
from mlsandbox_serving.schema.instants import Instants

_IN_TEXT: Final = 10
_WRONG_TYPE: Final = "wrong type"
_NULL: Final = "null not allowed"


class ColumnCheck(Protocol):
    """How the values of one column are checked."""

    expected: str
    """What the column takes, as a phrase for messages."""

    def normalised(self, values: list[Any]) -> list[Any] | None:
        """The values as the column's own type, or None when at least one of them does not fit."""

    def problem(self, value: Any) -> str | None:
        """What is wrong with one value; None when nothing is."""


@functools.lru_cache(maxsize=4096)
def check_of(column: Column) -> ColumnCheck:
    """The check of a column; made once per column."""
    return _CHECKS[column.type](column)


class _Typed:
    """Common half: which Python types the decoder may have made of a value, and null."""

    expected: str
    _types: frozenset[type]

    def __init__(self, column: Column) -> None:
        self._nullable = column.nullable
        self._allowed = self._types | {type(None)} if column.nullable else self._types

    def normalised(self, values: list[Any]) -> list[Any] | None:
        if not set(map(type, values)) <= self._allowed:
            return None
        return self._all(values)

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None if self._nullable else _NULL
        return _WRONG_TYPE if type(value) not in self._types else self._one(value)

    def _all(self, values: list[Any]) -> list[Any] | None:
        return values

    def _one(self, value: Any) -> str | None:
        del value
        return None


class _Boolean(_Typed):
    _types = frozenset({bool})
    expected = "true or false"


class _String(_Typed):
    _types = frozenset({str})
    expected = "a text"


class _Float(_Typed):
    _types = frozenset({float, int})
    expected = "a number"

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self._dtype = column.dtype
        self._largest = range_of(column)[1]

    def _all(self, values: list[Any]) -> list[Any] | None:
        try:
            if self._nullable:
                numbers = [None if value is None else float(value) for value in values]
                array = np.array([value for value in numbers if value is not None], dtype=np.float64)
            else:
                array = np.array(values, dtype=np.float64)
                numbers = array.tolist()
        except OverflowError:
            return None
        return numbers if bool((np.isfinite(array) & (np.abs(array) <= self._largest)).all()) else None

    def _one(self, value: float) -> str | None:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return None if math.isfinite(number) and abs(number) <= self._largest else f"out of range of {self._dtype}"


class _Integer(_Typed):
    _types = frozenset({int, float})

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        lowest, highest = range_of(column)
        self._lowest, self._highest = int(lowest), int(highest)
        self.expected = "an integer"
        if self._highest < 2**31:
            self.expected = f"an integer between {self._lowest} and {self._highest}"

    def _all(self, values: list[Any]) -> list[Any] | None:
        numbers = [value if value is None or type(value) is int else _integral(value) for value in values]
        present = [number for number in numbers if number is not None]
        if len(present) + values.count(None) < len(values):
            return None
        inside = not present or (min(present) >= self._lowest and max(present) <= self._highest)
        return numbers if inside else None

    def _one(self, value: float) -> str | None:
        number = _integral(value)
        if number is None:
            return "not a whole number"
        return None if self._lowest <= number <= self._highest else "out of range"


class _Category:
    def __init__(self, column: Column) -> None:
        self._nullable = column.nullable
        categories = column.categories or ()
        self._known = {category_key(category): category for category in categories}
        self._texts = frozenset(category for category in categories if isinstance(category, str))
        first = ", ".join(repr(shortened(category)) for category in categories[:_IN_TEXT])
        more = f", … ({len(categories) - _IN_TEXT} more)" if len(categories) > _IN_TEXT else ""
        self.expected = f"{ONE_OF}{first}{more}"

    def normalised(self, values: list[Any]) -> list[Any] | None:
        if set(map(type, values)) == {str}:
            return values if self._texts.issuperset(values) else None
        if any(self.problem(value) for value in values):
            return None
        return [None if value is None else self._known[category_key(value)] for value in values]

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None if self._nullable else _NULL
        if not isinstance(value, str | int | float):
            return _WRONG_TYPE
        return None if category_key(value) in self._known else "not a known category"


class _Datetime(_Typed):
    _types = frozenset({str})

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        self._instants = Instants(column.dtype)
        self.expected = self._instants.expected

    def _all(self, values: list[Any]) -> list[Any] | None:
        return values if all(value is None or self._instants.problem(value) is None for value in set(values)) else None

    def _one(self, value: str) -> str | None:
        return self._instants.problem(value)


def range_of(column: Column) -> tuple[float, float]:
    """Lowest and highest value that a column of type "float" or "integer" takes: what its dtype holds; integers as exact `int`."""
    width = _numpy_name(column.dtype)
    if column.type == "float":
        largest = float(np.finfo(width).max) if width in {"float16", "float32"} else math.inf
        return -largest, largest
    limits = np.iinfo(width) if np.issubdtype(np.dtype(width), np.integer) else np.iinfo("int64")
    return int(limits.min), int(limits.max)


def category_key(value: Scalar) -> tuple[str, Scalar]:
    """What tells categories apart: 1, true and "1" are three, 1 and 1.0 are one."""
    if isinstance(value, bool):
        return ("boolean", value)
    return ("text", value) if isinstance(value, str) else ("number", value)


def _integral(value: float) -> int | None:
    if isinstance(value, int):
        return value
    return int(value) if math.isfinite(value) and value.is_integer() else None


def _numpy_name(dtype: str) -> str:
    """The numpy dtype behind a pandas dtype: "Int64" and "int64[pyarrow]" are int64, "double[pyarrow]" is float64."""
    name = re.sub(r"\[pyarrow\]$", "", dtype)
    name = {"double": "float64", "float": "float32" if name != dtype else "float64", "halffloat": "float16"}.get(name, name)
    lowered = name.lower()
    return lowered if re.fullmatch(r"u?int(8|16|32|64)|float(16|32|64)", lowered) else "object"


_CHECKS: Final[dict[str, Callable[[Column], ColumnCheck]]] = {
    "boolean": _Boolean,
    "category": _Category,
    "datetime": _Datetime,
    "float": _Float,
    "integer": _Integer,
    "string": _String,
}
