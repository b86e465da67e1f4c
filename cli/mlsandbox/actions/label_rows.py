"""Labels of predictions in a file, line by line: what can be handed in, and what is wrong with the rest."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlsandbox.data_rows import TABULAR, open_text, typed
from mlsandbox.errors import InputUnreadable

Value = str | int | float | bool

_ID, _ROW, _LABEL = "request_id", "row", "label"
_REQUEST_ROW: Final = "request_row"
"""What `sandbox predict --data` calls the row of a request, since its rows are those of the file."""
_COLUMNS: Final = f"{_ID}, {_LABEL} and, unless it is always 0, {_ROW}"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One label.

    Args:
        line: of the file, from 1.
        request_id: of the answer that held the prediction.
        row: of that request, from 0.
        label: what the prediction should have been.
    """

    line: int
    request_id: str
    row: int
    label: Value

    def to_json(self) -> dict[str, object]:
        """As the service takes it."""
        return {_ID: self.request_id, _ROW: self.row, _LABEL: self.label}


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that holds no label that could be handed in, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class NoLabel:
    """A line whose label is empty: not known yet."""

    line: int


AnyLine = LabelRow | LineError | NoLabel


def read_labels(path: Path, output: Mapping[str, Any], tabular: Callable[[Path], Iterable[str]]) -> Iterator[AnyLine]:
    """Every line of a .csv, .jsonl, .parquet or .arrow file (the first two also .gz), in order.

    Args:
        path: the file.
        output: of the model's schema: texts become classes or numbers as it says.
        tabular: reads what the host cannot; gives one JSON object per row.

    Raises:
        InputUnreadable: it cannot be read as such a file, or lacks a column.
    """
    name = path.name.lower().removesuffix(".gz")
    if not path.is_file():
        raise InputUnreadable(f"there is no file {path}", fix=f"check the path: {path}")
    try:
        if name.endswith(TABULAR):
            yield from _json_lines(path, tabular(path), output)
        elif name.endswith((".jsonl", ".ndjson")):
            with open_text(path) as file:
                yield from _json_lines(path, file, output)
        elif name.endswith(".csv"):
            with open_text(path) as file:
                yield from _csv_lines(path, csv.DictReader(file), output)
        else:
            raise InputUnreadable(
                f"{path.name} is of a kind that is not read", fix=f"give a .csv, .jsonl or .parquet file instead of {path}"
            )
    except (OSError, ValueError, csv.Error) as error:
        raise InputUnreadable(f"{path} cannot be read", why=str(error), fix=f"repair the file: {path}") from error


def _csv_lines(path: Path, reader: csv.DictReader[str], output: Mapping[str, Any]) -> Iterator[AnyLine]:
    _check_columns(path, reader.fieldnames or ())
    column = _column(output)
    for cells in reader:
        label = typed(cells[_LABEL], column)
        row = cells.get(_REQUEST_ROW) or cells.get(_ROW) or "0"
        yield _line(reader.line_num, cells[_ID], int(row) if row.strip().isdecimal() else row, label, output)


def _json_lines(path: Path, lines: Iterable[str], output: Mapping[str, Any]) -> Iterator[AnyLine]:
    known: set[str] = set()
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            content = json.loads(text)
        except ValueError as error:
            yield LineError(number, f"is not JSON: {error}")
            continue
        if not isinstance(content, dict):
            yield LineError(number, "is not a JSON object")
            continue
        known |= content.keys()
        row = content.get(_REQUEST_ROW, content.get(_ROW))
        row = 0 if row is None else int(row) if isinstance(row, float) and row.is_integer() else row
        yield _line(number, content.get(_ID), row, content.get(_LABEL), output)
    if known:
        _check_columns(path, known)


def _check_columns(path: Path, names: Iterable[str]) -> None:
    found = sorted(names)
    missing = [name for name in (_ID, _LABEL) if name not in found]
    if missing:
        raise InputUnreadable(
            f"{path.name} has no column {' and no column '.join(missing)}",
            why=f"Columns must be {_COLUMNS}; the file has {', '.join(found) or 'none'}.",
            fix=f"name the columns so: {path}",
        )


def _line(number: int, request_id: Any, row: Any, label: Any, output: Mapping[str, Any]) -> AnyLine:
    if label is None:
        return NoLabel(number)
    if isinstance(request_id, int) and not isinstance(request_id, bool):
        request_id = str(request_id)
    if not isinstance(request_id, str) or not request_id:
        return LineError(number, f"{_ID} is missing")
    if not request_id.isascii():
        return LineError(number, f"{_ID} is not that of an answer")
    if isinstance(row, bool) or not isinstance(row, int) or row < 0:
        return LineError(number, f"{_ROW} is {row!r}, not a place in the request, counted from 0")
    problem = _problem(label, output)
    return LineError(number, f"{_LABEL} is {label!r}, {problem}") if problem else LabelRow(number, request_id, row, label)


def _problem(label: Any, output: Mapping[str, Any]) -> str | None:
    """Why a value cannot be a label of this model: it would never equal a prediction."""
    if not isinstance(label, str | int | float):
        return "not one value"
    if isinstance(label, float) and not math.isfinite(label):
        return "not a number"
    if isinstance(label, str) and label.encode(errors="replace").decode() != label:
        return "not text"
    texts = isinstance(label, str)
    if output["type"] == "number":
        return "and the model predicts numbers" if texts else None
    kinds = {isinstance(one, str) for one in output.get("classes") or ()}
    if len(kinds) == 1 and texts not in kinds:
        return f"and the model's classes are {', '.join(map(repr, output['classes'][:5]))}"
    return None


def _column(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """A column whose values are the model's predictions."""
    if output["type"] == "number":
        return {"type": "float"}
    classes = output.get("classes")
    return {"type": "category", "categories": classes} if classes else {"type": "string"}
