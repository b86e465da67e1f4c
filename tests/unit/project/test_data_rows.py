"""Files become rows with the types of the model's schema."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from mlsandbox.actions.predict import predict_rows, read_body
from mlsandbox.data_rows import batches, read_rows, typed
from mlsandbox.endpoint import Answer, Endpoint
from mlsandbox.errors import InputUnreadable, PredictionFailed

SCHEMA: dict[str, list[dict[str, object]]] = {
    "columns": [
        {"name": "age", "type": "float"},
        {"name": "children", "type": "integer"},
        {"name": "member", "type": "boolean"},
        {"name": "postcode", "type": "string"},
        {"name": "plan", "type": "category", "categories": ["basic", "NA"]},
        {"name": "grade", "type": "category", "categories": [1, 2]},
    ]
}
CSV = "id,age,children,member,postcode,plan,grade\n7,40.5,2,true,00123,basic,1\n8,,x,False,99999,NA,3\n"
ROWS = [
    {"age": 40.5, "children": 2, "member": True, "postcode": "00123", "plan": "basic", "grade": 1},
    {"age": None, "children": "x", "member": False, "postcode": "99999", "plan": "NA", "grade": "3"},
]


def no_tabular(path: Path) -> Iterable[str]:
    """For files that the host reads itself."""
    raise AssertionError(path)


def test_csv_has_the_types_of_the_schema(tmp_path: Path) -> None:
    """CSV text must become the schema's types: zeros in front stay, an empty cell is null, what does not fit stays text."""
    (tmp_path / "a.csv").write_text("\ufeff" + CSV, encoding="utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))

    assert list(read_rows(tmp_path / "a.csv", SCHEMA, no_tabular)) == ROWS
    assert list(read_rows(tmp_path / "a.csv.gz", SCHEMA, no_tabular)) == ROWS


def test_json_lines_are_taken_as_they_are(tmp_path: Path) -> None:
    """JSON has types already: only columns that the model does not take must be left out."""
    (tmp_path / "a.jsonl").write_text('{"age": "40", "id": 1}\n\n{"age": 41}\n')

    assert list(read_rows(tmp_path / "a.jsonl", SCHEMA, no_tabular)) == [{"age": "40"}, {"age": 41}]


def test_other_formats_are_handed_on(tmp_path: Path) -> None:
    """A Parquet file must be read by what is given for it."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")

    assert list(read_rows(tmp_path / "a.parquet", SCHEMA, lambda _: ['{"age": 1.0}'])) == [{"age": 1.0}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xlsx", ""),
        ("a.jsonl", "{"),
        ("a.json", "[1]"),
        ("a.json", "5"),
        ("a.json", '{"age": 1}'),
        ("a.csv", "age,plan,age\n1,basic,2\n"),
        ("gone.csv", None),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, text: str | None) -> None:
    """A file that cannot be read must be an error that names it."""
    if text is not None:
        (tmp_path / name).write_text(text)

    with pytest.raises(InputUnreadable, match=name):
        list(read_rows(tmp_path / name, SCHEMA, no_tabular))


def test_what_is_no_regular_file_is_told_as_that(tmp_path: Path) -> None:
    """A folder must not be told as a file that is not there."""
    (tmp_path / "a.csv").mkdir()

    with pytest.raises(InputUnreadable, match="no regular file"):
        list(read_rows(tmp_path / "a.csv", SCHEMA, no_tabular))


def test_missing_words_of_text_columns() -> None:
    """The word NA must be null unless it is a category."""
    assert typed("NA", SCHEMA["columns"][4]) == "NA"
    assert typed("NA", SCHEMA["columns"][0]) is None


def test_batches() -> None:
    """Rows must come in full batches, the rest last."""
    assert [len(batch) for batch in batches(({"a": n} for n in range(7)), 3)] == [3, 3, 1]


class Refusing(Endpoint):
    """Answers each row with its value, and refuses "bad"."""

    def predict(self, body: object) -> Answer:
        assert isinstance(body, dict)
        rows = body["rows"]
        for number, row in enumerate(rows):
            if row["a"] == "bad":
                fault = {"row": number, "column": "a", "value": "bad", "expected": "a number", "problem": "wrong type"}
                raise PredictionFailed("422", fix="sandbox status", details={"details": {"faults": [fault], "total": 1}})
        return Answer(200, {"model": "m", "version": "v1", "request_id": "r", "predictions": [row["a"] for row in rows]}, 0.1)


def test_predictions_come_in_the_order_of_the_rows() -> None:
    """Every row must get its own prediction, numbered as in the file."""
    found = list(predict_rows(Refusing("http://127.0.0.1:1"), [{"a": n} for n in range(5)], 2))

    assert [(each.row, each.prediction) for each in found] == [(n, n) for n in range(5)]


def test_a_refused_batch_names_rows_of_the_file() -> None:
    """Rows before a refused request must be answered, and the faults must name rows of the file."""
    rows = [{"a": value} for value in (0, 1, 2, "bad")]
    answers = predict_rows(Refusing("http://127.0.0.1:1"), rows, 2)

    found = [next(answers).row, next(answers).row]
    with pytest.raises(PredictionFailed) as caught:
        next(answers)

    assert found == [0, 1]
    assert "rows 2 to 3" in caught.value.what
    assert "row 3, column 'a': wrong type, expected a number" in caught.value.why


def test_bodies(tmp_path: Path) -> None:
    """A request must be taken as it stands, from a file or from standard input, and must be JSON."""
    (tmp_path / "row.json").write_text('{"a": 1}')

    assert [read_body(text, '{"a": 3}') for text in ('{"a": 2}', f"@{tmp_path / 'row.json'}", "-")] == ['{"a": 2}', '{"a": 1}', '{"a": 3}']
    for wrong in ("{a: 1}", "@gone.json", "-"):
        with pytest.raises(InputUnreadable):
            read_body(wrong, None)


def test_json_documents(tmp_path: Path) -> None:
    """A .json file must be a list of rows."""
    (tmp_path / "a.json").write_text(json.dumps([{"age": 1}]))

    assert list(read_rows(tmp_path / "a.json", SCHEMA, no_tabular)) == [{"age": 1}]


def test_a_file_that_is_given_as_a_row(tmp_path: Path) -> None:
    """The name of a file without the @ must be an error that says how files are given; other text, however long, one with an example."""
    (tmp_path / "my row.json").write_text("{}")
    for text, said in ((str(tmp_path / "my row.json"), f"predict '@{tmp_path / 'my row.json'}'"), ("x" * 5000, "--example")):
        with pytest.raises(InputUnreadable) as found:
            read_body(text, None)
        assert said in found.value.fix
