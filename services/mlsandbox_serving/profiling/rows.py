"""Reference rows of a file, as requests would hold them.

A large file is thinned out to runs of consecutive rows that are spread evenly over it: how far rows depend on the ones before them is
seen within a run, and whether the reference changes from its beginning to its end is seen from run to run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsandbox_serving.capture import CaptureError
from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.schema import Column, Columns, Schema
from mlsandbox_serving.schema.column_check import check_of
from mlsandbox_serving.tabular import frames, json_columns

RUN: Final = 1_000
"""Consecutive rows that are kept together."""
_Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in their order, column by column.

    Args:
        columns: checked values.
        labels: what was right; None when that is not known.
        total: rows of the file.
        refused: rows among those looked at that the endpoint would refuse, which are left out.
        why: what is wrong with the first of them.
    """

    columns: Columns
    labels: list[Any] | None
    total: int
    refused: int
    why: str


def most_rows(schema: Schema) -> int:
    """Rows that a profile is made of at most: fewer of a wide table, since all of them are held in memory."""
    width = len(schema.names) + 1 + len(schema.output.classes or ())
    return max(RUN, min(ProfileFile.MOST_ROWS, ProfileFile.MOST_CELLS // width))


def read_rows(path: Path, schema: Schema, *, target: str | None, most: int | None = None) -> Rows:
    """Read reference rows.

    Args:
        path: of the file.
        schema: of the model.
        target: column of the labels; a file without it has no labels.
        most: rows that are kept; None: as many as a profile is made of.

    Raises:
        TabularError: the file cannot be read, or lacks a column.
        CaptureError: no row of it is one that the endpoint takes.
    """
    kept, total = _thinned(path, most_rows(schema) if most is None else most)
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    labels: list[Any] | None = None
    refused, why = 0, ""
    wanted: dict[str, Column | None] = {column.name: column for column in schema.columns}
    while kept:  # what was read of a frame is held once
        start, frame = kept.popleft()
        own = target if target is not None and target in frame.columns and _is_label(schema) else None
        usable = _finite(frame, schema)
        refused += int((~usable).sum())
        why = why or ("" if usable.all() else "it holds an infinity")
        part = frame[usable]
        values = json_columns(path, part, wanted, start, lenient=True)
        answers = None if own is None else json_columns(path, part, {own: _label_column(own, schema)}, start)[own]
        good, fault = _accepted(schema, values)
        why = why or fault
        refused += len(part) - int(good.sum())
        for name, column in values.items():
            columns[name] += column if good.all() else [value for value, fits in zip(column, good, strict=True) if fits]
        if answers is not None:
            labels = (labels or []) + [value for value, fits in zip(answers, good, strict=True) if fits]
    if not columns or not next(iter(columns.values())):
        raise CaptureError(
            "REFERENCE_EMPTY",
            f"{path.name} has no row that the model takes",
            why=why or "it has no rows",
            fix="name a file of rows as /predict takes them",
        )
    return Rows(schema.check_columns(columns), labels, total, refused, why)


def _thinned(path: Path, most: int) -> tuple[deque[tuple[int, Any]], int]:
    """Frames with at most `most` rows in all, each with the position of its first row, and how many rows the file has."""
    every, total = 1, 0
    kept: list[tuple[NDArray[np.int64], Any]] = []
    for frame in frames(path, texts=True):
        positions = np.arange(total, total + len(frame))
        total += len(frame)
        kept.append(_runs(positions, frame, every))
        while sum(len(positions) for positions, _ in kept) > max(most, RUN):
            every *= 2
            kept = [_runs(*each, every) for each in kept]
    return deque((int(positions[0]), frame) for positions, frame in kept if len(positions)), total


def _runs(positions: NDArray[np.int64], frame: Any, every: int) -> tuple[NDArray[np.int64], Any]:
    if every == 1:
        return positions, frame
    chosen = positions // RUN % every == 0
    return positions[chosen], frame[chosen]


def _finite(frame: Any, schema: Schema) -> _Bools:
    """Rows without an infinity, which JSON cannot say."""
    pd = import_module("pandas")
    usable = np.ones(len(frame), dtype=bool)
    for column in schema.columns:
        if column.type == "float" and column.name in frame.columns:
            found = pd.to_numeric(frame[column.name], errors="coerce")  # of a CSV file these are texts
            usable &= ~np.isinf(found.to_numpy(dtype="float64", na_value=np.nan))
    return usable


def _accepted(schema: Schema, values: Mapping[str, list[Any]]) -> tuple[_Bools, str]:
    """Rows that the endpoint takes, and what is wrong with the first other one."""
    rows = len(next(iter(values.values())))
    good = np.ones(rows, dtype=bool)
    first: tuple[int, str] | None = None
    for row, told in _faults(schema, values):
        good[row] = False
        first = (row, told) if first is None or row < first[0] else first
    return good, "" if first is None else first[1]


def _faults(schema: Schema, values: Mapping[str, list[Any]]) -> Iterator[tuple[int, str]]:
    for column in schema.columns:
        check = check_of(column)
        if check.normalised(values[column.name]) is not None:
            continue
        for row, value in enumerate(values[column.name]):
            problem = check.problem(value)
            if problem is not None:
                yield row, f"column {column.name!r}: {problem}, {check.expected} is expected"


def _is_label(schema: Schema) -> bool:
    """Whether the model answers one value per row, beside which a label can be put."""
    return schema.output.type != "array"


def _label_column(name: str, schema: Schema) -> Column | None:
    """How the texts of a CSV file become labels: numbers, or the classes that the model knows."""
    if schema.output.type == "number":
        return Column(name, "float", "float64", nullable=True)
    if schema.output.classes:
        return Column(name, "category", "category", nullable=True, categories=schema.output.classes)
    return None
