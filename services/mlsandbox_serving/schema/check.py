"""Check rows or columns of JSON values against a schema: every fault by row, column and value, nothing reordered, dropped or guessed."""

from __future__ import annotations

import functools
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
            expected = f"one of the model's {len(names)} columns{_nearest(name, schema.names)}"
            faults.add(row=row, column=name, value=None, expected=expected, problem="unknown column")
            unknown -= 1
    faults.count(missing + unknown)


def _nearest(name: str, names: tuple[str, ...]) -> str:
    if len(name) > _LONGEST_GUESSED:
        return ""
    known = _folded(names).get(_fold(name))
    return "" if known is None else f" ({known!r}?)"


@functools.lru_cache(maxsize=16)
def _folded(names: tuple[str, ...]) -> Mapping[str, str]:
    """The first of the names that are alike but for case and spaces around them."""
    return {_fold(name): name for name in reversed(names)}


def _fold(name: str) -> str:
    return name.casefold().strip()
