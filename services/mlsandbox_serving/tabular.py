"""Read tabular files: into a DataFrame, or as rows in the form that /predict takes.

`python -m mlsandbox_serving.tabular FILE [--schema schema.json] [--limit N] [--columns a,b]` prints one JSON object per row.
With a schema, texts in a CSV file become the types that the model wants; a text column keeps its leading zeros.
A problem ends it with exit code 1 and {"error": {"code", "message", "why", "fix"}} as the last line of standard error.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlsandbox_serving.contract import GAPS
from mlsandbox_serving.schema import Column, Schema

CHUNK: Final = 20_000
_CSV: Final = {".csv": ",", ".tsv": "\t", ".txt": None, ".data": None}
_COMPRESSED: Final = {".gz", ".bz2", ".xz", ".zst", ".zip"}
_ARROW: Final = {".feather", ".arrow", ".ipc"}
TRUE: Final = {"true", "1", "1.0", "yes", "t"}
FALSE: Final = {"false", "0", "0.0", "no", "f"}


class TabularError(ValueError):
    """A file cannot be read as a table, or a value does not fit the schema; `fix` says what to do."""

    def __init__(self, code: str, message: str, *, why: str = "", fix: str) -> None:
        super().__init__(message)
        self.code = code
        self.why = why
        self.fix = fix

    def to_json(self) -> dict[str, Any]:
        """As it is printed."""
        return {"error": {"code": self.code, "message": str(self), "why": self.why, "fix": self.fix}}


def read(path: Path) -> Any:
    """The whole file as a DataFrame, with the types that pandas gives it.

    Raises:
        TabularError: the format is not known, the file is missing or damaged.
    """
    pd = import_module("pandas")
    return pd.concat(list(frames(path)), ignore_index=True)


def rows(
    path: Path, *, schema: Schema | None = None, columns: Sequence[str] | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Rows as JSON objects: NaN and NaT are null, dates ISO 8601, categories their values.

    Args:
        path: the file.
        schema: gives types to texts, and chooses the columns.
        columns: only these, in this order; by default the schema's, else all.
        limit: at most so many rows.

    Raises:
        TabularError: names the row and the column.
    """
    wanted = list(columns) if columns is not None else list(schema.names) if schema is not None else None
    types = {column.name: column for column in schema.columns} if schema is not None else {}
    left = limit if limit is not None else sys.maxsize
    start = 0
    for frame in frames(path, texts=schema is not None):
        part = frame.iloc[:left]
        names = wanted if wanted is not None else list(frame.columns)
        values = json_columns(path, part, {name: types.get(name) for name in names}, start)
        for row in zip(*values.values(), strict=True):
            yield dict(zip(values, row, strict=True))
        left -= len(part)
        start += len(part)
        if left <= 0:
            return


def json_columns(
    path: Path, frame: Any, columns: Mapping[str, Column | None], start: int, *, lenient: bool = False
) -> dict[str, list[Any]]:
    """Columns of a frame that `frames` gave, as the JSON values that /predict takes.

    Args:
        path: of the file, for messages.
        frame: some rows of it.
        columns: which, in this order; with a definition texts get its type.
        start: position of the first row, for messages.
        lenient: a text that does not fit stays one, for the schema to refuse its row.

    Raises:
        TabularError: a column is missing, or a value does not fit.
    """
    _check_columns(path, frame, list(columns))
    return {name: _json_values(path, frame[name], column, start, lenient=lenient) for name, column in columns.items()}


def categories_by_text(column: Column) -> dict[str, Any]:
    """Categories by the texts that a CSV file may hold for them: 1.0 is written "1.0" or "1", true "True" or "true"."""
    known: dict[str, Any] = {}
    for category in column.categories or ():
        known[str(category)] = category
        if isinstance(category, bool):
            known.setdefault(str(category).lower(), category)
        elif isinstance(category, float):
            known.setdefault(f"{category:g}", category)
        elif isinstance(category, int):
            known.setdefault(f"{category}.0", category)
    return known | {category: category for category in column.categories or () if isinstance(category, str)}


def frames(path: Path, *, texts: bool = False) -> Iterator[Any]:
    """The file as DataFrames of at most CHUNK rows each; `texts`: CSV values stay the texts that they are."""
    if not path.is_file():
        raise TabularError("FILE_MISSING", f"there is no file {path}", fix=f"check the path: ls {path.parent}")
    try:
        yield from _reader(path, texts=texts)
    except TabularError:
        raise
    except ImportError as error:
        raise TabularError(
            "LIBRARY_MISSING",
            f"{path.name} cannot be read here",
            why=str(error),
            fix="convert the file to .csv, or add pyarrow to the model's requirements",
        ) from error
    except Exception as error:
        raise TabularError(
            "FILE_UNREADABLE", f"{path.name} cannot be read", why=f"{type(error).__name__}: {error}", fix=f"check the file: head {path}"
        ) from error


def _reader(path: Path, *, texts: bool) -> Iterator[Any]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in _COMPRESSED else (suffixes or [""])[-1]
    if kind in _CSV:
        return _csv(path, kind, texts=texts)
    if kind in {".parquet", ".pq"}:
        return _parquet(path)
    if kind in _ARROW:
        return iter((_arrow(path),))
    if kind in {".json", ".jsonl", ".ndjson"}:
        return _json(path, lines=kind != ".json")
    raise TabularError(
        "FORMAT_UNKNOWN",
        f"{path.name}: the format {kind or 'without a suffix'!r} is not known",
        fix="use .csv, .parquet, .feather, .arrow, .json or .jsonl",
    )


def _csv(path: Path, kind: str, *, texts: bool) -> Iterator[Any]:
    pd = import_module("pandas")
    read_csv = pd.read_csv
    options: dict[str, Any] = {"sep": _CSV[kind], "chunksize": CHUNK}
    if _CSV[kind] is None:
        options["engine"] = "python"
    elif not texts and tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):  # later ones read every digit by themselves
        options["float_precision"] = "round_trip"
    if texts:
        options |= {"dtype": object, "keep_default_na": False}
        yield from read_csv(path, **options)
        return
    # Types are told from the whole file, as training code does: chunks could differ.
    yield read_csv(path, **{**options, "chunksize": None})


def _parquet(path: Path) -> Iterator[Any]:
    reader = import_module("pyarrow.parquet").ParquetFile(path)
    schema = reader.schema_arrow
    empty = True
    for batch in reader.iter_batches(batch_size=CHUNK):
        empty = False
        yield import_module("pyarrow").Table.from_batches([batch], schema=batch.schema).to_pandas()
    if empty:
        yield schema.empty_table().to_pandas()


def _arrow(path: Path) -> Any:
    ipc = import_module("pyarrow").ipc
    with path.open("rb") as file:
        head = file.read(6)
    if head == b"ARROW1":
        return ipc.open_file(str(path)).read_all().to_pandas()
    if head[:4] == b"FEA1":
        return import_module("pandas").read_feather(path)
    with path.open("rb") as file:
        return ipc.open_stream(file).read_all().to_pandas()


def _json(path: Path, *, lines: bool) -> Iterator[Any]:
    pd = import_module("pandas")
    if lines:
        found: list[Any] = []
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    found.append(json.loads(line))
                if len(found) == CHUNK:
                    yield pd.DataFrame(found)
                    found = []
        if found:
            yield pd.DataFrame(found)
        return
    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, dict):
        data = data.get("rows", data.get("columns", data)) if len(data) == 1 else data
    yield pd.DataFrame([data] if isinstance(data, dict) and not any(isinstance(value, list) for value in data.values()) else data)


def _check_columns(path: Path, frame: Any, wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        here = ", ".join(map(str, frame.columns[:20]))
        raise TabularError(
            "COLUMN_MISSING",
            f"{path.name} has no column {missing[0]!r}",
            why=f"its columns are {here}",
            fix="rename the column in the file, or choose another file",
        )


def _json_values(path: Path, series: Any, column: Column | None, start: int, *, lenient: bool) -> list[Any]:
    values = _plain(series)
    if column is not None and column.type == "category" and series.dtype != "category":
        known = categories_by_text(column)
        return [_cell(path, column, value, known, start + index, lenient=lenient) for index, value in enumerate(values)]
    if column is None or column.type == "datetime":
        return [None if str(value).strip().lower() in GAPS else value for value in values] if column is not None else values
    return [_cell(path, column, value, {}, start + index, lenient=lenient) for index, value in enumerate(values)]


def _plain(series: Any) -> list[Any]:
    """Values as JSON knows them."""
    missing = series.isna().to_numpy()
    return [None if gone else _json_value(value, series.name) for gone, value in zip(missing.tolist(), series.tolist(), strict=True)]


def _json_value(value: Any, name: object) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isinf(value):
        raise TabularError(
            "VALUE_UNSUPPORTED", f"column {name!r} holds an infinity, which JSON cannot say", fix="replace infinities in the file"
        )
    if isinstance(value, str | int | float | bool):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _cell(path: Path, column: Column, value: Any, known: dict[str, Any], row: int, *, lenient: bool) -> Any:
    """A text out of a CSV file as the type of its column; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in GAPS and value not in known:
        return None
    if column.type == "string":
        return value
    if column.type == "category":
        return known.get(value, value)
    try:
        return _CONVERT[column.type](value.strip())
    except (ValueError, OverflowError):
        if lenient:
            return value
        raise TabularError(
            "VALUE_UNSUPPORTED",
            f"{path.name}, row {row}: column {column.name!r} holds {value[:80]!r}, not a {column.type}",
            fix=f"correct the row in {path}",
        ) from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError(text)


_CONVERT: Final[dict[str, Any]] = {"integer": _integer, "float": _number, "boolean": _boolean}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlsandbox_serving.tabular", description="Print a table's rows as JSON lines.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", type=Path, help="schema.json: types and columns")
    parser.add_argument("--limit", type=int, help="at most so many rows")
    parser.add_argument("--columns", type=lambda text: text.split(","), help="only these columns, comma-separated")
    options = parser.parse_args(arguments)
    try:
        schema = Schema.from_json(json.loads(options.schema.read_text(encoding="utf-8"))) if options.schema else None
        for row in rows(options.file, schema=schema, columns=options.columns, limit=options.limit):
            sys.stdout.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    except TabularError as error:
        sys.stdout.flush()
        sys.stderr.write(json.dumps(error.to_json()) + "\n")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
