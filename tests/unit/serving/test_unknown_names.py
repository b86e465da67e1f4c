"""What a client is told of names that are no columns."""

from __future__ import annotations

from typing import Any

import pytest

from mlsandbox_serving.schema import Column, Fault, Output, Schema, SchemaMismatch


def _schema(*names: str) -> Schema:
    columns = tuple(Column(name, "integer", "int64") for name in names)
    return Schema(input="frame", columns=columns, output=Output("number"))


PEOPLE = _schema("age", "income", "plan")


def faults_of(schema: Schema, row: dict[str, int]) -> tuple[Fault, ...]:
    with pytest.raises(SchemaMismatch) as caught:
        schema.check_rows([row])
    return caught.value.faults


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("agee", "('age'?)"),
        (" Age", "('age'?)"),
        ("incmoe", "('income'?)"),
        ("", "preserve_index=False)"),
        ("Unnamed: 0", "preserve_index=False)"),
        ("__index_level_0__", "preserve_index=False)"),
        ("nothing alike", "columns"),
        ("a" * 1_000, "columns"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name: str, hint: str) -> None:
    """A misspelt name must be told the missing column that is most like it, and a DataFrame's index how to leave it out."""
    (*_, fault) = faults_of(PEOPLE, {name: 1})

    assert fault.problem == "unknown column"
    assert fault.expected.endswith(hint)


def test_few_names_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names are unknown, only the first may be compared with the columns, and none with those of a wide model."""
    compared: list[str] = []

    def compare(name: str, *_: Any, **__: Any) -> list[str]:
        compared.append(name)
        return []

    monkeypatch.setattr("difflib.get_close_matches", compare)
    wide = _schema(*(f"c{place}" for place in range(51)))

    faults_of(PEOPLE, {f"x{place}": 1 for place in range(1_000)})
    faults_of(wide, {**{f"c{place}": 1 for place in range(50)}, "c5O": 1})

    assert compared == ["x0", "x1", "x2"]
