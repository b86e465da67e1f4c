"""Tables become rows as /predict takes them, with the types that the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlsandbox_serving.schema import Column, Output, Schema
from mlsandbox_serving.tabular import TabularError, main, read, rows

SCHEMA = Schema(
    input="frame",
    columns=(
        Column(name="zip", type="string", dtype="object"),
        Column(name="age", type="integer", dtype="int64"),
        Column(name="income", type="float", dtype="float64", nullable=True),
        Column(name="member", type="boolean", dtype="bool"),
        Column(name="grade", type="category", dtype="category", categories=(1, 2)),
        Column(name="day", type="datetime", dtype="datetime64[ns]"),
    ),
    output=Output("number"),
)
TEXT = "extra,zip,age,income,member,grade,day\n9,01234,31,0.1,True,1,2024-05-01\n9,00007,40.0,,false,2,2024-05-02T10:00:00\n"
EXPECTED = [
    {"zip": "01234", "age": 31, "income": 0.1, "member": True, "grade": 1, "day": "2024-05-01"},
    {"zip": "00007", "age": 40, "income": None, "member": False, "grade": 2, "day": "2024-05-02T10:00:00"},
]


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file_takes_the_schemas_types(tmp_path: Path) -> None:
    """Leading zeros must stay, numbers become numbers, gaps null; columns in the schema's order."""
    found = list(rows(_write(tmp_path, "data.csv", TEXT), schema=SCHEMA))

    assert found == EXPECTED
    assert [type(value) for value in found[0].values()] == [str, int, float, bool, int, str]
    SCHEMA.check_rows(found)


@pytest.mark.parametrize("suffix", ["parquet", "feather", "arrow", "jsonl", "json"])
def test_typed_files_keep_their_values(tmp_path: Path, suffix: str) -> None:
    """The same rows must come out of each format."""
    frame = pd.DataFrame(EXPECTED).astype({"grade": "category"})
    path = tmp_path / f"data.{suffix}"
    match suffix:
        case "parquet":
            frame.to_parquet(path)
        case "feather" | "arrow":
            frame.to_feather(path)
        case "jsonl":
            path.write_text("\n".join(json.dumps(row) for row in EXPECTED) + "\n")
        case _:
            path.write_text(json.dumps({"rows": EXPECTED}))

    assert list(rows(path, schema=SCHEMA)) == EXPECTED


def test_without_a_schema_values_are_those_of_pandas(tmp_path: Path) -> None:
    """NaN must be null, dates ISO 8601, categories their values, numbers plain."""
    frame = pd.DataFrame(
        {
            "a": [1.5, np.nan],
            "b": pd.Series(["2024-01-01", None], dtype="datetime64[ns]"),
            "c": pd.Categorical(["x", None]),
            "d": np.array([1, 2], dtype="int8"),
        }
    )
    frame.to_parquet(tmp_path / "data.parquet")

    assert list(rows(tmp_path / "data.parquet")) == [
        {"a": 1.5, "b": "2024-01-01T00:00:00", "c": "x", "d": 1},
        {"a": None, "b": None, "c": None, "d": 2},
    ]


def test_limit_and_columns(tmp_path: Path) -> None:
    """Only the wanted rows and columns must come."""
    path = _write(tmp_path, "data.csv", TEXT)

    assert list(rows(path, columns=["age"], limit=1)) == [{"age": 31.0}]
    assert list(rows(path, schema=SCHEMA, limit=0)) == []


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("data.csv", "zip,age\n1,2\n", "COLUMN_MISSING"),
        ("data.csv", TEXT.replace("31", "abc"), "VALUE_UNSUPPORTED"),
        ("data.csv", TEXT.replace("31", "1.5"), "VALUE_UNSUPPORTED"),
        ("data.csv", TEXT.replace("0.1", "inf"), "VALUE_UNSUPPORTED"),
        ("data.csv", "", "FILE_UNREADABLE"),
        ("data.parquet", "not parquet", "FILE_UNREADABLE"),
        ("data.json", "{", "FILE_UNREADABLE"),
        ("data.xlsx", "x", "FORMAT_UNKNOWN"),
    ],
)
def test_problems_have_a_code_and_a_remedy(tmp_path: Path, name: str, text: str, code: str) -> None:
    """A file or value that does not fit must be said with row and column, never as a traceback."""
    with pytest.raises(TabularError) as problem:
        list(rows(_write(tmp_path, name, text), schema=SCHEMA))

    assert problem.value.code == code
    assert problem.value.fix


def test_the_row_of_a_wrong_value_is_named(tmp_path: Path) -> None:
    """A value that is no number must be named with row and column."""
    with pytest.raises(TabularError, match="row 1: column 'age' holds 'abc'"):
        list(rows(_write(tmp_path, "data.csv", TEXT.replace("40.0", "abc")), schema=SCHEMA))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """No file, no rows: an error that names the path."""
    with pytest.raises(TabularError, match="there is no file"):
        read(tmp_path / "none.csv")


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    """Every digit of a number in a CSV file must count."""
    values = np.random.RandomState(0).rand(500)
    pd.DataFrame({"a": values}).to_csv(tmp_path / "data.csv", index=False)

    assert (read(tmp_path / "data.csv")["a"] == values).all()


def test_the_command_prints_one_row_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows go to standard output, a problem as JSON to the last line of standard error."""
    path = _write(tmp_path, "data.csv", TEXT)
    schema = _write(tmp_path, "schema.json", json.dumps(SCHEMA.to_json()))

    assert main([str(path), "--schema", str(schema), "--limit", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == EXPECTED[0]
    assert main([str(tmp_path / "none.csv")]) == 1
    problem: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert problem["error"]["code"] == "FILE_MISSING"
