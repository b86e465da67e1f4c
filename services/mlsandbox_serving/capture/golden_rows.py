"""Which reference rows become golden rows: spread over the data, and those that exercise a column's extremes, gaps and rare categories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from mlsandbox_serving.capture.reference import Reference
from mlsandbox_serving.schema import Schema

ROWS: Final = 50
MOST: Final = 60
_SPREAD_FIRST: Final = 30
_RARE: Final = 3


def golden_rows(reference: Reference, schema: Schema) -> list[int]:
    """Row positions, ascending; the same for the same data. Rows with an infinity are left out: JSON cannot say it."""
    usable = _usable_rows(reference)
    if not len(usable):
        return []
    chosen = dict.fromkeys(int(usable[position]) for position in _spread(len(usable), _SPREAD_FIRST))
    for row in _telling_rows(reference, schema, usable):
        if len(chosen) >= MOST:
            break
        chosen[row] = None
    for position in _spread(len(usable), ROWS):
        if len(chosen) >= ROWS:
            break
        chosen[int(usable[position])] = None
    return sorted(chosen)


def _spread(rows: int, count: int) -> list[int]:
    return sorted(set(np.linspace(0, rows - 1, num=min(rows, count)).astype(int).tolist()))


def _usable_rows(reference: Reference) -> Any:
    if not reference.is_frame:
        data = reference.inputs
        return np.flatnonzero(~np.isinf(data).any(axis=1)) if data.dtype.kind == "f" else np.arange(len(data))
    infinite = np.zeros(len(reference.inputs), dtype=bool)
    for name in reference.names:
        series = reference.inputs[name]
        if getattr(series.dtype, "kind", "") == "f":
            infinite |= np.isinf(series.to_numpy(dtype="float64", na_value=np.nan))
        elif str(series.dtype) == "object":
            infinite |= np.array([isinstance(value, float) and np.isinf(value) for value in series], dtype=bool)
    return np.flatnonzero(~infinite)


def _telling_rows(reference: Reference, schema: Schema, usable: Any) -> Iterator[int]:
    """Gaps first, then rare categories, then extremes, column by column."""
    columns = [_values(reference, index, usable) for index in range(len(schema.columns))]
    for values in columns:
        yield from (int(usable[position]) for position in np.flatnonzero(values.isna().to_numpy())[:1])
    for column, values in zip(schema.columns, columns, strict=True):
        if column.type in {"category", "string"}:
            counts = values.value_counts(sort=False)
            rare = counts[counts > 0].sort_values(kind="stable").index[:_RARE]
            yield from (int(usable[np.flatnonzero((values == value).fillna(value=False).to_numpy(dtype=bool))[0]]) for value in rare)
    for column, values in zip(schema.columns, columns, strict=True):
        if column.type in {"float", "integer", "datetime"} and values.notna().any():
            present = values.dropna()
            yield from (int(usable[int(present.index[position])]) for position in (present.argmin(), present.argmax()))


def _values(reference: Reference, index: int, usable: Any) -> Any:
    from importlib import import_module  # noqa: PLC0415  # pandas is only needed with reference data

    pd = import_module("pandas")
    data = reference.inputs.iloc[:, index] if reference.is_frame else pd.Series(reference.inputs[:, index])
    return data.iloc[usable].reset_index(drop=True)
