"""From a model's input back to JSON values, column by column."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from mlsandbox_serving.schema.definition import Column, Definition


def to_columns(schema: Definition, model_input: Any) -> dict[str, list[Any]]:
    """The JSON values of a model's input, column by column: what `to_input` turns into the same input again.

    Args:
        schema: of the model.
        model_input: a DataFrame with at least the schema's columns, a 2-D array, or a dict of 1-D arrays.

    Raises:
        ValueError: a value has no JSON form (an infinity), the text names the column.
    """
    if isinstance(model_input, np.ndarray):
        return {column.name: _json_values(column, model_input[:, index]) for index, column in enumerate(schema.columns)}
    return {column.name: _json_values(column, model_input[column.name]) for column in schema.columns}


def _json_values(column: Column, data: Any) -> list[Any]:
    pd = _pandas()

    missing = np.asarray(pd.isna(data))
    if column.type == "datetime":
        instants = pd.Series(data)
        if instants.dt.tz is not None:
            instants = instants.dt.tz_convert("UTC")
        return [None if gone else value.isoformat() for gone, value in zip(missing, instants, strict=True)]
    if column.dtype == "category":
        known = [_plain(category) for category in data.cat.categories]
        return [None if code < 0 else known[code] for code in np.asarray(data.cat.codes).tolist()]
    values = [None if gone else _plain(value) for gone, value in zip(missing.tolist(), list(data), strict=True)]
    for value in values:
        if isinstance(value, float) and value - value != 0:
            raise ValueError(f"column {column.name!r}: {value} has no JSON form")
    return values


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pandas() -> Any:
    """Imported where it is needed: models that take arrays run without pandas."""
    return import_module("pandas")
