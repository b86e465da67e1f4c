"""Bodies in CSV (RFC 4180) as checked columns: the first line names the columns, in any order."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from mlsandbox_serving.contract import GAPS
from mlsandbox_serving.schema import Column, Columns, Schema
from mlsandbox_serving.schema.faults import Faults
from mlsandbox_serving.service.codecs.csv_bounds import FIRST_LINE, MARK, refuse_endless, separator_hint
from mlsandbox_serving.service.codecs.csv_numbers import NumberTable
from mlsandbox_serving.service.codecs.refusals import refuse_form
from mlsandbox_serving.service.refusal import refuse_many, unreadable
from mlsandbox_serving.tabular import FALSE, TRUE, categories_by_text

Convert = Callable[[list[str]], list[Any]]
"""Texts of one column as JSON values; a text that is none of the column's type stays one, for the schema to refuse."""


class CsvDecoder:
    """Reads CSV in UTF-8.

    Where a column is nullable a word of contract.GAPS is null, unless it is one of the column's categories. In other text and category
    columns such a word is itself.

    Args:
        schema: of the model.
        max_rows: so many rows are taken in one request.
    """

    def __init__(self, schema: Schema, *, max_rows: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._numbers = NumberTable(schema)
        self._convert = {column.name: _converter(column) for column in schema.columns}
        self._longest_head = len(MARK) + sum(2 * len(name.encode()) + len('"",') for name in schema.names)

    def __call__(self, body: bytes) -> Columns:
        """Read and check one body.

        Raises:
            RequestRefused: 400 for what is not CSV, 413 for too many rows.
            SchemaMismatch: it is CSV, but not what the model takes.
        """
        numbers = self._numbers(body, self._max_rows)
        if numbers is not None:
            return numbers
        self._refuse_one_line(body)
        refuse_endless(body, len(self._convert), self._max_rows)
        return self._read(body)

    def _refuse_one_line(self, body: bytes) -> None:
        """Where line ends were taken out the rows are part of the first line: they are not told as names."""
        if b"\n" not in body and b"\r" not in body and len(body) > self._longest_head:
            expected = f"{FIRST_LINE}, and rows in lines of their own (curl takes line ends out with -d, not with --data-binary @file)"
            refuse_form("a single line", expected)

    def _read(self, body: bytes) -> Columns:
        lines = _lines(body)
        names = next(lines, [])
        if not names:
            raise unreadable("the body is empty; it must be CSV whose first line names the columns")
        if self._convert.keys().isdisjoint(names):  # values, most likely: they are not told as names
            refuse_form(",".join(names), f"{FIRST_LINE}{separator_hint(body)}")
        _refuse_duplicates(names)
        if len(names) > len(self._convert):
            self._schema.check_columns({name: [] for name in names})
        rows = list(islice(lines, self._max_rows + 1))
        # Blank lines at the end are no rows, but whoever is so near the limit can do without them.
        refuse_many(len(rows), self._max_rows, at_least=True)
        rows = _whole(rows, len(names))
        texts = map(list, zip(*rows, strict=True)) if rows else ([] for _ in names)
        return self._schema.check_columns({name: self._values(name, column) for name, column in zip(names, texts, strict=True)})

    def _values(self, name: str, texts: list[str]) -> list[Any]:
        convert = self._convert.get(name)
        return texts if convert is None else convert(texts)


def _lines(body: bytes) -> Iterator[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(f"the body is not UTF-8 (byte {error.start})") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        hint = separator_hint(body) if reader.line_num <= 1 else ""
        raise unreadable(f"the body cannot be read as CSV: line {reader.line_num}: {error}{hint}") from None


def _refuse_duplicates(names: list[str]) -> None:
    if len(set(names)) == len(names):
        return
    faults = Faults()
    for name, count in Counter(names).items():
        if count > 1:
            faults.add(row=None, column=name, value=None, expected="each name once", problem="sent twice")
    faults.raise_any()


def _whole(rows: list[list[str]], width: int) -> list[list[str]]:
    """The rows without blank lines at the end; rows of another length are refused.

    With a single column a blank line is a row whose value is empty: that is how such a row is written.
    """
    if width == 1:
        rows = [row or [""] for row in rows]
    else:
        while rows and not rows[-1]:
            rows.pop()
    if set(map(len, rows)) <= {width}:
        return rows
    faults = Faults()
    for index, row in enumerate(rows):
        if len(row) != width:
            faults.add(row=index, column=None, value=row, expected=f"{width} fields as in the first line", problem="wrong length")
    faults.raise_any()
    return rows


def _converter(column: Column) -> Convert:
    if column.type in {"float", "integer", "boolean"}:
        return {"float": _floats, "integer": _integers, "boolean": _booleans}[column.type]
    if column.type == "category":
        known: dict[str, Any] = categories_by_text(column)
        return lambda texts: _each_once(texts, lambda text: _category(text, known, nullable=column.nullable))
    if column.type == "datetime":
        return lambda texts: _each_once(texts, lambda text: None if _is_gap(text) else text)
    return _texts if column.nullable else list


def _floats(texts: list[str]) -> list[Any]:
    return _numbers(texts, _read_floats, _number)


def _integers(texts: list[str]) -> list[Any]:
    return _numbers(texts, _read_integers, _whole_number)


def _numbers(texts: list[str], read: Callable[[str], list[Any]], read_one: Callable[[str], Any]) -> list[Any]:
    numbers = _as_json(texts, read)
    if numbers is not None:
        return numbers
    gaps = _gaps(texts)
    numbers = _as_json([text for text in texts if text not in gaps], read)
    if numbers is None:
        return [read_one(text) for text in texts]
    present = iter(numbers)
    return [None if text in gaps else next(present) for text in texts]


def _as_json(texts: list[str], read: Callable[[str], list[Any]]) -> list[Any] | None:
    """Numbers that are all written as in JSON, which is read several times as fast; None when at least one is not."""
    try:
        numbers = read(f"[{','.join(texts)}]")
    except (msgspec.DecodeError, ValueError):
        return None
    return numbers if len(numbers) == len(texts) else None


_read_floats: Final = msgspec.json.Decoder(list[float]).decode
_read_integers: Final = msgspec.json.Decoder(list[int]).decode


def _booleans(texts: list[str]) -> list[Any]:
    return _each_once(texts, _boolean)


def _texts(texts: list[str]) -> list[Any]:
    gaps = _gaps(texts)
    return [None if text in gaps else text for text in texts] if gaps else texts


def _gaps(texts: list[str]) -> set[str]:
    return {text for text in set(texts) if _is_gap(text)}


def _each_once(texts: list[str], convert: Callable[[str], Any]) -> list[Any]:
    """Columns of few values: each of them is converted once."""
    values = {text: convert(text) for text in set(texts)}
    return [values[text] for text in texts]


def _number(text: str) -> float | str | None:
    """An infinity stays one: the schema says that it is out of range. Python's own spellings ("1_000", other digits) are no numbers."""
    if _is_gap(text):
        return None
    if "_" in text or not text.isascii():
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _whole_number(text: str) -> float | str | None:
    if "_" in text or not text.isascii():
        return text
    try:
        return int(text)
    except ValueError:
        return _number(text)


def _boolean(text: str) -> bool | str | None:
    word = text.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    return None if word in GAPS else text


def _category(text: str, known: dict[str, Any], *, nullable: bool) -> Any:
    if nullable and text not in known and _is_gap(text):
        return None
    return known.get(text, text)


def _is_gap(text: str) -> bool:
    return text.strip().lower() in GAPS
