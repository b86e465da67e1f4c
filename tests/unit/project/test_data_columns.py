"""Files that do not have what the model takes are refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mlsandbox.actions.predict import predict_file
from mlsandbox.endpoint import Answer, Endpoint
from mlsandbox.errors import Exit, InputUnfit
from mlsandbox.packaging.package import Package

COLUMNS = ("age", "children", "plan")


class Silent(Endpoint):
    """Tells its schema, and must not be asked for a prediction."""

    def schema(self) -> Mapping[str, Any]:
        return {"columns": [{"name": name, "type": "string"} for name in COLUMNS]}

    def predict(self, body: object) -> NoReturn:
        raise AssertionError(body)


class Answering(Silent):
    """Answers every row with 1."""

    def predict(self, body: object) -> Answer:  # type: ignore[override]  # the other one never answers
        assert isinstance(body, dict)
        return Answer(200, {"model": "m", "version": "v1", "request_id": "r", "predictions": [1] * len(body["rows"])}, 0.1)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """One that is not looked into."""
    return Package("m", "v1", "sha256:0", "m:v1", tmp_path, tmp_path / "python", {})


def refused(package: Package, path: Path, text: str) -> InputUnfit:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputUnfit) as caught:
        list(predict_file(package, Silent("http://127.0.0.1:1"), path, max_rows=10))
    assert str(path) in caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", ""), ("a.csv", "age,children,plan\n"), ("a.csv", "\n\n"), ("a.jsonl", "\n"), ("a.json", "[]")]
)
def test_a_file_without_rows(package: Package, tmp_path: Path, name: str, text: str) -> None:
    """A file that is empty, or has a header alone, must be an error that says so."""
    error = refused(package, tmp_path / name, text)

    assert (error.what, error.exit) == (f"{name} has no rows", Exit.FAILED)


@pytest.mark.parametrize(("mark", "told"), [(";", "`;`"), ("\t", "a tab"), ("|", "`|`")])
def test_another_separator(package: Package, tmp_path: Path, mark: str, told: str) -> None:
    """A file whose one column holds another separator must be told by that."""
    error = refused(package, tmp_path / "a.csv", f"{mark.join(COLUMNS)}\n{mark.join('123')}\n")

    assert error.what == f"a.csv is separated by {told}, not by commas"
    assert "missing: 'age', 'children', 'plan'" in error.why


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "id,Age,childern,plan\n1,2,3,4\n"), ("a.jsonl", '{"id": 1, "Age": 2, "childern": 3, "plan": 4}\n')]
)
def test_misspelt_columns(package: Package, tmp_path: Path, name: str, text: str) -> None:
    """Missing columns must be named with the ones that may be meant, and all that the file has besides."""
    error = refused(package, tmp_path / name, text)

    assert error.what == f"{name} lacks 2 of the 3 columns that the model takes"
    assert error.why.splitlines() == [
        "Missing: 'age' (is it 'Age'?), 'children' (is it 'childern'?).",
        "In the file, but not the model's: 'id', 'Age', 'childern'.",
    ]
    assert error.details == {"missing": ["age", "children"], "unknown": ["id", "Age", "childern"]}


def test_many_columns_are_not_all_listed(package: Package, tmp_path: Path) -> None:
    """A message must stay readable when a file has nothing to do with the model."""
    error = refused(package, tmp_path / "a.csv", ",".join(f"x{number}" for number in range(50)) + "\n")

    assert error.why.endswith("'x9' and 40 more.")


def test_columns_besides_are_left_out(package: Package, tmp_path: Path) -> None:
    """A file with all columns of the model, and others, must be answered row by row."""
    (tmp_path / "a.csv").write_text("id,plan,children,age\n" + "1,2,3,4\n" * 25, encoding="utf-8")

    answers = predict_file(package, Answering("http://127.0.0.1:1"), tmp_path / "a.csv", max_rows=10)

    assert [each.row for each in answers] == list(range(25))
