"""What is wrong with a request, fault by fault, and how to say it with and without the values that were sent."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

MAX_FAULTS: Final = 20
HIDDEN: Final = "(not shown: a private or hashed column)"
ONE_OF: Final = "one of "
"""How the phrase begins that lists a column's categories."""
HIDDEN_CATEGORIES: Final = "one of its categories (not shown: a private or hashed column)"
_SHORT: Final = 80
_IN_MESSAGE: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a request has wrong.

    Args:
        row: position of the row in the request, from 0; None when it is about the whole request or a whole column.
        column: name as expected, or as sent and then shortened; None when it is about the whole request.
        value: what was sent, shortened so that it can stand in a message.
        expected: what the model takes, as a phrase: "a number".
        problem: "missing", "unknown column", "wrong type", "not a known category", "null not allowed", …
    """

    row: int | None
    column: str | None
    value: object
    expected: str
    problem: str

    def to_json(self) -> dict[str, object]:
        """The fault as it stands in an answer."""
        return {"row": self.row, "column": self.column, "value": self.value, "expected": self.expected, "problem": self.problem}

    def text(self, *, value: bool = True, column: bool = True) -> str:
        """The fault as a sentence; without `value` and `column` those two are left out."""
        where = [f"row {self.row}"] if self.row is not None else []
        if self.column is not None:
            where.append(f"column {self.column!r}" if column else "a column")
        got = f", got {_quoted(self.value)}" if value and self.problem not in _WITHOUT_VALUE else ""
        return f"{', '.join(where) or 'the request'}: {self.problem}, expected {self.expected}{got}"


_WITHOUT_VALUE: Final = frozenset({"missing", "unknown column", "null not allowed", "sent twice"})
_NAMED_BY_CLIENT: Final = frozenset({"unknown column", "sent twice"})
"""Faults whose column is called as the client called it, at any length."""


class Faults:
    """Collects faults: keeps the first ones, counts all that whoever looks for them does not pass over."""

    def __init__(self, limit: int = MAX_FAULTS) -> None:
        self.kept: list[Fault] = []
        self.total = 0
        self._limit = limit
        self._exact = True

    def add(self, *, row: int | None, column: str | None, value: object, expected: str, problem: str) -> None:
        """Count one more fault, and keep it while there is room."""
        self.total += 1
        if len(self.kept) < self._limit:
            name = _cut(column) if column is not None and problem in _NAMED_BY_CLIENT else column
            self.kept.append(Fault(row, name, shortened(value), expected, problem))

    def is_full(self) -> bool:
        """Whether further faults are only counted: then nobody reads what they say."""
        return len(self.kept) >= self._limit

    def count(self, more: int) -> None:
        """Count faults without telling them."""
        self.total += more

    def pass_over(self) -> None:
        """Some of the request is not looked at: there may be more faults than were counted."""
        self._exact = False

    def raise_any(self) -> None:
        """Raise what was collected, if anything was.

        Raises:
            SchemaMismatch: at least one fault was added.
        """
        if self.total:
            raise SchemaMismatch(tuple(self.kept), self.total, exact=self._exact)


class SchemaMismatch(ValueError):
    """A request does not fit the model's schema.

    Args:
        faults: the first of them, at most MAX_FAULTS.
        total: how many there are.
        exact: whether there are no more than that.
    """

    def __init__(self, faults: tuple[Fault, ...], total: int, *, exact: bool = True) -> None:
        super().__init__(faults, total)
        self.faults = faults
        self.total = total
        self.exact = exact

    def __str__(self) -> str:
        return self._text([fault.text() for fault in self.faults[:_IN_MESSAGE]])

    def redacted(self, *, known: Collection[str], visible: Collection[str]) -> str:
        """The message for a log: values of `visible` columns only, and no name that is not the model's own.

        Args:
            known: the schema's column names.
            visible: columns whose values may be written.
        """
        told = (fault if fault.column in visible or fault.column not in known else _general(fault) for fault in self.faults[:_IN_MESSAGE])
        return self._text([fault.text(value=fault.column in visible, column=fault.column in known) for fault in told])

    def without(self, guarded: Collection[str]) -> SchemaMismatch:
        """The same for an answer that may be kept elsewhere: no values of `guarded` columns, not even known ones, nor of what belongs to
        no column.
        """
        if not guarded:
            return self
        hidden = {*guarded, None}
        told = (_general(fault) if fault.column in guarded else fault for fault in self.faults)
        faults = tuple(replace(fault, value=HIDDEN) if fault.column in hidden and fault.value is not None else fault for fault in told)
        return SchemaMismatch(faults, self.total, exact=self.exact)

    def to_json(self) -> dict[str, object]:
        """`details` of the answer; `at_least` only stands there when there may be more faults than `total`."""
        more = {} if self.exact else {"at_least": True}
        return {"faults": [fault.to_json() for fault in self.faults], "total": self.total, **more}

    def _text(self, sentences: list[str]) -> str:
        more = self.total - len(sentences)
        return "; ".join(sentences) + (f"; and {'' if self.exact else 'at least '}{more} more" if more else "")


def shortened(value: object) -> object:
    """A JSON value that is small enough to be repeated in an answer."""
    if value is None or isinstance(value, bool | float):
        return value if not isinstance(value, float) or value - value == 0 else str(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else _cut(f"{value:.6e}" if abs(value) < 10**300 else "an integer of hundreds of digits")
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    return _cut(str(value))


def _general(fault: Fault) -> Fault:
    """Without the categories of its column."""
    return replace(fault, expected=HIDDEN_CATEGORIES) if fault.expected.startswith(ONE_OF) else fault


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
