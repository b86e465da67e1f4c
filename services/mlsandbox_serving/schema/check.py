"""Check rows or columns of JSON values against a schema: every fault by row, column and value, nothing reordered, dropped or guessed."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlsandbox_serving.schema.column_check import ColumnCheck, check_of
from mlsandbox_serving.schema.columns import Columns
from mlsandbox_serving.schema.definition import Definition
from mlsandbox_serving.schema.faults import Faults

_COUNTED: Final = 10_000
"""So many values are still looked at, only to count faults, when no more faults are told."""
_LONGEST_GUESSED: Final = 256
"""A longer name is no slip of the pen."""
_LONGEST_COMPARED: Final = 64
_MOST_COMPARED: Final = 50
_COMPARED: Final = 3
"""So many names of a request are compared letter by letter: 0.1 ms each, up to 15 ms where 50 long names differ in their ends alone."""
_ALIKE: Final = 0.7
_UNKNOWN: Final = "unknown column"
_INDEX: Final = re.compile(r"|Unnamed: 0|__index_level_\d{1,3}__")
"""How pandas calls an index without a name in CSV, when it reads that CSV, and in Arrow."""


def check_rows(schema: Definition, rows: Sequence[Any]) -> Columns:
    """Turn rows (JSON objects) into columns.

    Raises:
        SchemaMismatch: with the first faults and how many there are.
    """
    faults = Faults()
    if not rows:
        faults.add(row=None, column=None, value=None, expected="at least one row", problem="missing")
    names = frozenset(schema.names)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            faults.add(row=index, column=None, value=row, expected="an object with one value per column", problem="wrong type")
        elif row.keys() != names:
            _compare_names(schema, names, row, index, faults)
    if faults.total:
        _find_faults_by_row(schema, rows, faults)
    return _check_values(schema, {name: [row[name] for row in rows] for name in schema.names}, len(rows), faults)


def check_columns(schema: Definition, columns: Mapping[str, Any]) -> Columns:
    """Check columns (name to list of JSON values).

    Raises:
        SchemaMismatch: with the first faults and how many there are.
    """
    faults = Faults()
    names = frozenset(schema.names)
    if columns.keys() != names:
        _compare_names(schema, names, columns, None, faults)
    values: dict[str, list[Any]] = {}
    for name in schema.names:
        column = columns.get(name)
        if isinstance(column, list):
            values[name] = column
        elif name in columns:
            faults.add(row=None, column=name, value=column, expected="a list with one value per row", problem="wrong type")
    lengths = [len(column) for column in values.values()]
    rows = max(set(lengths), key=lengths.count) if lengths else 0
    for name, column in values.items():
        if len(column) != rows:
            faults.add(row=None, column=name, value=column, expected=f"{rows} values like the other columns", problem="wrong length")
    if values and rows == 0 and faults.total == 0:
        faults.add(row=None, column=None, value=None, expected="at least one row", problem="missing")
    return _check_values(schema, values, rows, faults)


def _find_faults_by_row(schema: Definition, rows: Sequence[Any], faults: Faults) -> None:
    """Add what is wrong with the values that were sent, in time that grows with what was sent and not with what is missing."""
    columns = {column.name: column for column in schema.columns}
    checks: dict[str, ColumnCheck] = {}
    left = _COUNTED
    for index, row in [(index, row) for index, row in enumerate(rows) if row and isinstance(row, dict)]:
        if left <= 0:
            faults.pass_over()
            break
        for name, value in row.items():
            if name not in columns:
                continue
            check = checks.get(name) or checks.setdefault(name, check_of(columns[name]))
            problem = check.problem(value)
            if problem is not None:
                faults.add(row=index, column=name, value=value, expected=check.expected, problem=problem)
        left -= len(row) if faults.is_full() else 0
    faults.raise_any()


def _check_values(schema: Definition, values: dict[str, list[Any]], rows: int, faults: Faults) -> Columns:
    checked: dict[str, list[Any]] = {}
    left = _COUNTED
    for column in schema.columns:
        sent = values.get(column.name)
        if sent is None:
            continue
        if left <= 0:
            faults.pass_over()
            break
        check = check_of(column)
        normal = check.normalised(sent)
        if normal is not None:
            checked[column.name] = normal
            continue
        for index, value in enumerate(sent):
            problem = check.problem(value)
            if problem is not None:
                faults.add(row=index, column=column.name, value=value, expected=check.expected, problem=problem)
            if faults.is_full():
                left -= 1
                if left <= 0:
                    faults.pass_over()
                    break
    faults.raise_any()
    return Columns(checked, rows)


def _compare_names(schema: Definition, names: frozenset[str], sent: Mapping[str, Any], row: int | None, faults: Faults) -> None:
    """Add what is missing and what is too much, in time that grows with what was sent once nobody reads more faults."""
    common = sum(name in names for name in sent) if sent else 0
    missing, unknown = len(names) - common, len(sent) - common
    if faults.is_full():
        faults.count(missing + unknown)
        return
    for column in schema.columns if missing else ():
        if faults.is_full():
            break
        if column.name not in sent:
            faults.add(row=row, column=column.name, value=None, expected=check_of(column).expected, problem="missing")
            missing -= 1
    for name in sent if unknown else ():
        if faults.is_full():
            break
        if name not in names:
            expected = f"one of the model's {len(names)} columns{_hint(schema, name, sent, faults)}"
            faults.add(row=row, column=name, value=None, expected=expected, problem=_UNKNOWN)
            unknown -= 1
    faults.count(missing + unknown)


def _hint(schema: Definition, name: str, sent: Mapping[str, Any], faults: Faults) -> str:
    if len(name) > _LONGEST_GUESSED:
        return ""
    known = _folded(schema.names).get(_fold(name))
    if known is None and _INDEX.fullmatch(name):
        return " (this looks like the index of a DataFrame: write it with index=False, Arrow with preserve_index=False)"
    if known is None and sum(fault.problem == _UNKNOWN for fault in faults.kept) < _COMPARED:
        known = _alike(name, schema.names, sent)
    return "" if known is None else f" ({known!r}?)"


def _alike(name: str, names: tuple[str, ...], sent: Mapping[str, Any]) -> str | None:
    """The one of the missing columns that is most like a name."""
    if len(name) > _LONGEST_COMPARED or len(names) > _MOST_COMPARED:
        return None
    missing = [known for known in names if known not in sent and len(known) <= _LONGEST_COMPARED]
    return next(iter(difflib.get_close_matches(name, missing, n=1, cutoff=_ALIKE)), None)


@functools.lru_cache(maxsize=16)
def _folded(names: tuple[str, ...]) -> Mapping[str, str]:
    """The first of the names that are alike but for case and spaces around them."""
    return {_fold(name): name for name in reversed(names)}


def _fold(name: str) -> str:
    return name.casefold().strip()
