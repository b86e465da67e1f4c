"""The signature of a model: what a request must hold, and how it becomes the model's input.

Needs numpy, and pandas for frames and dates; nothing else, so that it also runs in the interpreter in which a model was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from mlsandbox_serving.schema import building, check, convert, definition
from mlsandbox_serving.schema.columns import Columns
from mlsandbox_serving.schema.definition import Column, Definition, Output, SchemaInvalid
from mlsandbox_serving.schema.faults import MAX_FAULTS, Fault, SchemaMismatch

__all__ = ["MAX_FAULTS", "Column", "Columns", "Fault", "Output", "Schema", "SchemaInvalid", "SchemaMismatch"]


class Schema(Definition):
    """A model's schema: read from schema.json, checks requests, builds the model's input."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """Read schema.json.

        Raises:
            SchemaInvalid: it is not one that this version reads; the text names the key.
        """
        return cls(**definition.read(data))

    def check_rows(self, rows: Sequence[Any]) -> Columns:
        """Turn rows (JSON objects) into columns.

        Raises:
            SchemaMismatch: with the first faults and how many there are.
        """
        return check.check_rows(self, rows)

    def check_columns(self, columns: Mapping[str, Any]) -> Columns:
        """Check columns (name to list of JSON values).

        Raises:
            SchemaMismatch: with the first faults and how many there are.
        """
        return check.check_columns(self, columns)

    def to_input(self, columns: Columns) -> Any:
        """The model's input: a DataFrame, a 2-D array (rows by columns), or a dict of 1-D arrays, as `input` says."""
        return self._builder(columns)

    def to_columns(self, model_input: Any) -> dict[str, list[Any]]:
        """The JSON values of a model's input, column by column; `to_input` makes the same input of them again.

        Raises:
            ValueError: a value has no JSON form (an infinity); the text names the column.
        """
        return convert.to_columns(self, model_input)

    @cached_property
    def _builder(self) -> Callable[[Columns], Any]:
        return building.builder(self)
