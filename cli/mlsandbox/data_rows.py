"""Rows of a data file as JSON objects; CSV text becomes the types of the model's schema."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from mlsandbox.errors import InputUnreadable
from mlsandbox_serving.contract import GAPS

Row = dict[str, Any]
_TRUE, _FALSE = frozenset({"true", "True", "TRUE", "1"}), frozenset({"false", "False", "FALSE", "0"})
TABULAR: Final = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
"""Files that need pandas."""


def read_rows(
    path: Path,
    schema: Mapping[str, Any],
    tabular: Callable[[Path], Iterable[str]],
    head: Callable[[Collection[str]], None] = lambda _: None,
) -> Iterator[Row]:
    """Every row of a .csv, .jsonl, .json, .parquet or .arrow file (the first three also .gz), in order, with the schema's columns alone.

    Args:
        path: the file.
        schema: schema.json of the model.
        tabular: reads what the host cannot; gives one JSON object per line, with all columns of the schema.
        head: told the file's own columns, of JSON those of the first row, before any row is given; not for what `tabular` reads.

    Raises:
        InputUnreadable: it cannot be read, at this row.
    """
    name = path.name.lower().removesuffix(".gz")
    columns = {column["name"]: column for column in schema["columns"]}
    if not path.is_file():
        what = f"{path} is no regular file" if path.exists() else f"there is no file {path}"
        raise InputUnreadable(what, fix=f"check the path: {path}")
    try:
        if name.endswith(TABULAR):
            yield from map(json.loads, tabular(path))
        elif name.endswith((".jsonl", ".ndjson")):
            with open_text(path) as file:
                yield from _chosen((json.loads(line) for line in file if line.strip()), columns, head)
        elif name.endswith(".json"):
            with open_text(path) as file:
                yield from _chosen(_listed(json.load(file)), columns, head)
        elif name.endswith(".csv"):
            with open_text(path) as file:
                reader = csv.DictReader(file)
                names = _each_once(reader.fieldnames or (), columns)
                if names:
                    head(names)
                yield from (typed_row(row, columns) for row in reader)
        else:
            raise InputUnreadable(
                f"{path.name} is of a kind that is not read", fix=f"give a .csv, .jsonl, .json, .parquet or .arrow file instead of {path}"
            )
    except (OSError, ValueError, csv.Error) as error:
        raise InputUnreadable(f"{path} cannot be read", why=str(error), fix=f"repair the file: {path}") from error


def typed_row(row: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]]) -> Row:
    """A row of CSV text with the JSON types of the schema's columns; what does not fit stays text, for the endpoint to refuse."""
    return {name: typed(row[name], column) for name, column in columns.items() if name in row}


def typed(text: str | None, column: Mapping[str, Any]) -> object:
    """One CSV cell as its column's type."""
    if text is None or (text.strip().lower() in GAPS and text not in map(str, column.get("categories") or ())):
        return None
    kind = column["type"]
    if kind == "category":
        return next((value for value in column["categories"] if _same(value, text)), text)
    if kind == "boolean":
        return True if text in _TRUE else False if text in _FALSE else text
    if kind in ("integer", "float"):
        return _number(text, whole=kind == "integer")
    return text


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """The rows in lists of at most `size`."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _chosen(rows: Iterable[Any], columns: Mapping[str, object], head: Callable[[Collection[str]], None]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"each row must be an object, not {row!r}")  # noqa: TRY004 - a mistake in the file
        if number == 0:
            head(row)
        yield {name: row[name] for name in columns if name in row}


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("it must be a list of rows")  # noqa: TRY004 - a mistake in the file
    return value


def _each_once(names: Sequence[str], columns: Collection[str]) -> Sequence[str]:
    """A file's column names, of which none that is needed may be there twice."""
    twice = next((name for name in columns if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"there is more than one column {twice!r}")
    return names


def _same(value: object, text: str) -> bool:
    if isinstance(value, bool):
        return text in (_TRUE if value else _FALSE)
    if isinstance(value, int | float):
        return _number(text, whole=False) == value
    return str(value) == text


def _number(text: str, *, whole: bool) -> object:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def open_text(path: Path) -> TextIO:
    """A text file, also a compressed one."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
