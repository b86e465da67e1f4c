"""Files of labels, line by line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from mlsandbox.actions.label_rows import AnyLine, LabelRow, LineError, NoLabel, read_labels
from mlsandbox.errors import InputUnreadable

WORDS = {"type": "class", "classes": ["no", "yes"]}
DIGITS = {"type": "class", "classes": [0, 1]}
NUMBERS = {"type": "number", "classes": None}


def no_tabular(path: Path) -> Iterable[str]:
    """For files that the host reads itself."""
    raise AssertionError(path)


def lines(path: Path, text: str | bytes, output: dict[str, Any] = WORDS) -> list[AnyLine]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_labels(path, output, no_tabular))


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.gz"])
def test_csv(tmp_path: Path, name: str) -> None:
    """Lines of a CSV file, also a compressed one and one of Excel's, must become labels; other columns are left out."""
    text = "\ufeffrequest_id,note,row,label\na,x,2,yes\nb,,,no\nc,,0,\n".encode()

    found = lines(tmp_path / name, gzip.compress(text) if name.endswith(".gz") else text)

    assert found == [LabelRow(2, "a", 2, "yes"), LabelRow(3, "b", 0, "no"), NoLabel(4)]


@pytest.mark.parametrize(
    ("output", "cells", "labels"),
    [
        (WORDS, ["yes", "Yes", "1"], ["yes", "Yes", "1"]),
        (DIGITS, ["1", "1.0", "0"], [1, 1, 0]),
        ({"type": "class", "classes": [False, True]}, ["true", "False", "1"], [True, False, True]),
        (NUMBERS, ["1", "2.5", "-1e3"], [1.0, 2.5, -1000.0]),
        ({"type": "class", "classes": None}, ["a", "1", "x y"], ["a", "1", "x y"]),
    ],
)
def test_csv_has_the_types_of_the_models_answers(tmp_path: Path, output: dict[str, Any], cells: list[str], labels: list[Any]) -> None:
    """Text must become what the model predicts: a class as it is spelled there, or a number."""
    found = lines(tmp_path / "a.csv", "request_id,label\n" + "".join(f"a,{cell}\n" for cell in cells), output)

    assert [each.label for each in found if isinstance(each, LabelRow)] == labels
    assert len(found) == len(labels)


def test_json_lines(tmp_path: Path) -> None:
    """Lines of JSON must be taken as they are; what `predict --data` calls the row of the request is the row."""
    content: list[Any] = [
        {"request_id": "a", "label": "yes", "more": [1]},
        {"request_id": "b", "row": 700, "request_row": 200, "label": "no"},
        {"request_id": "c", "row": None, "label": None},
        {"request_id": 7, "row": 3.0, "label": "no"},
    ]

    found = lines(tmp_path / "a.jsonl", "\n".join(map(json.dumps, content)) + "\n\n")

    assert found == [LabelRow(1, "a", 0, "yes"), LabelRow(2, "b", 200, "no"), NoLabel(3), LabelRow(4, "7", 3, "no")]


@pytest.mark.parametrize(
    ("text", "output", "told"),
    [
        ("{", WORDS, "is not JSON"),
        ("[1]", WORDS, "is not a JSON object"),
        ('{"label": "yes"}', WORDS, "request_id is missing"),
        ('{"request_id": "", "label": "yes"}', WORDS, "request_id is missing"),
        ('{"request_id": "ü", "label": "yes"}', WORDS, "request_id is not that of an answer"),
        ('{"request_id": "a", "row": "x", "label": "yes"}', WORDS, "row is 'x'"),
        ('{"request_id": "a", "row": -1, "label": "yes"}', WORDS, "row is -1"),
        ('{"request_id": "a", "row": true, "label": "yes"}', WORDS, "row is True"),
        ('{"request_id": "a", "label": ["yes"]}', WORDS, "not one value"),
        ('{"request_id": "a", "label": 1}', WORDS, "the model's classes are 'no', 'yes'"),
        ('{"request_id": "a", "label": "1"}', DIGITS, "the model's classes are 0, 1"),
        ('{"request_id": "a", "label": "1"}', NUMBERS, "the model predicts numbers"),
        ('{"request_id": "a", "label": NaN}', NUMBERS, "not a number"),
        ('{"request_id": "a", "label": "\\ud800"}', WORDS, "not text"),
    ],
)
def test_lines_that_hold_no_label(tmp_path: Path, text: str, output: dict[str, Any], told: str) -> None:
    """What is wrong with a line must be told with its number, and the lines after it be read."""
    good = json.dumps({"request_id": "z", "label": output["classes"][0] if output["classes"] else 1})

    error, after = lines(tmp_path / "a.jsonl", f"{text}\n{good}\n", output)

    assert isinstance(error, LineError)
    assert error.line == 1
    assert told in error.message
    assert isinstance(after, LabelRow)


def test_lines_of_a_csv_are_those_of_the_file(tmp_path: Path) -> None:
    """A text over several lines must not shift the numbers: an editor must find the line."""
    found = lines(tmp_path / "a.csv", 'request_id,note,label\na,"two\nlines",yes\n,x,no\n')

    assert found == [LabelRow(3, "a", 0, "yes"), LineError(4, "request_id is missing")]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "id,label\n1,yes\n", "has no column request_id"),
        ("a.csv", "", "has no column request_id and no column label"),
        ("a.jsonl", '{"request_id": "a", "truth": "yes"}', "has no column label"),
        ("a.xlsx", "x", "of a kind that is not read"),
        ("a.csv.gz", "not compressed", "cannot be read"),
        ("a.csv", b"request_id,label\n\xff,yes\n", "cannot be read"),
    ],
)
def test_files_that_hold_no_labels(tmp_path: Path, name: str, text: str | bytes, told: str) -> None:
    """A file of another kind, or without the columns, must be refused as a whole, saying which columns it needs."""
    with pytest.raises(InputUnreadable, match=told) as caught:
        lines(tmp_path / name, text)

    assert str(tmp_path / name) in caught.value.fix


def test_other_formats_are_handed_on(tmp_path: Path) -> None:
    """A Parquet file must be read by what is given for it."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")

    found = list(read_labels(tmp_path / "a.parquet", WORDS, lambda _: ['{"request_id": "a", "row": 1.0, "label": "no"}']))

    assert found == [LabelRow(1, "a", 1, "no")]
