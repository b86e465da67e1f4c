"""What is wrong with a request: told in few words whatever was sent, found in little time, and without what must not be shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlsandbox_serving.schema import MAX_FAULTS, Column, Output, Schema, SchemaMismatch


def schema_of(*columns: Column) -> Schema:
    return Schema(input="frame", columns=columns, output=Output("class", (0, 1)))


PEOPLE = schema_of(
    Column("age", "integer", "int64"),
    Column("income", "float", "float64", nullable=True),
    Column("plan", "category", "category", categories=("basic", "pro")),
    Column("zip", "string", "object"),
)
ROW = {"age": 41, "income": 1.5, "plan": "pro", "zip": "01234"}


def faults_of(schema: Schema, *rows: Any) -> list[dict[str, Any]]:
    with pytest.raises(SchemaMismatch) as caught:
        schema.check_rows(list(rows))
    faults = caught.value.to_json()["faults"]
    assert isinstance(faults, list)
    return faults


def test_a_name_of_a_client_is_cut_and_compared_in_little_time() -> None:
    """A name of any length that the model does not have must be repeated in a few characters, and be compared with no column."""
    name = "\x7f" * 100_000
    (fault,) = faults_of(PEOPLE, {**ROW, name: 1})
    (near,) = faults_of(PEOPLE, {**ROW, " AGE ": 1})

    assert len(fault["column"]) == 80
    assert fault["expected"] == "one of the model's 4 columns"
    assert near["expected"] == "one of the model's 4 columns ('age'?)"


def test_a_models_own_name_is_never_cut() -> None:
    """A column of the model must be told by its whole name, by which clients and guards know it."""
    name = "x" * 500
    (fault,) = faults_of(schema_of(Column(name, "float", "float64")), {name: "y"})

    assert fault["column"] == name


def test_values_are_not_searched_for_faults_that_nobody_reads() -> None:
    """Of very many faulty values, in rows or in columns, only so many are looked at, and the total is said to be a lower bound."""
    columns = {name: [None] * 50_000 for name in ROW if name != "income"}
    with pytest.raises(SchemaMismatch) as by_column:
        PEOPLE.check_columns({**columns, "income": [None] * 50_000})
    with pytest.raises(SchemaMismatch) as by_row:
        PEOPLE.check_rows([{"age": None}] * 50_000)

    for caught in (by_column, by_row):
        assert caught.value.to_json()["at_least"] is True
        assert caught.value.total > MAX_FAULTS
        assert "and at least " in str(caught.value)
    assert by_column.value.total < 15_000


def test_categories_of_guarded_columns_are_not_told() -> None:
    """Neither answer nor event may list the categories of a guarded column; the others' are listed."""
    with pytest.raises(SchemaMismatch) as caught:
        PEOPLE.check_rows([{**ROW, "plan": "x", "agee": 1}])

    told = caught.value.without({"plan"})
    logged = caught.value.redacted(known=PEOPLE.names, visible={"age"})

    assert "'basic', 'pro'" in str(caught.value)
    assert "basic" not in str(told) + json.dumps(told.to_json()) + logged
    assert "one of its categories" in str(told)
    assert "one of the model's 4 columns" in logged
