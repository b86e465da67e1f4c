"""Bodies that are a matrix of numbers already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlsandbox_serving.schema import Columns, Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IN_ALL_WIDTHS: Final = float(np.finfo(np.float16).max)


class FloatMatrix:
    """Takes a matrix as it is, where every column of the model is of type "float" and no value needs a word with the schema.

    Args:
        schema: of the model.
    """

    def __init__(self, schema: Schema) -> None:
        self._names = schema.names
        self._largest = np.finfo(np.float64).max if all(column.dtype == "float64" for column in schema.columns) else _IN_ALL_WIDTHS
        self.suits = all(column.type == "float" for column in schema.columns)

    def columns(self, matrix: NDArray[Any]) -> Columns | None:
        """The checked columns; None when the schema has to look at the values one by one.

        Args:
            matrix: shape (rows, columns) with at least one row, columns in the schema's order; of floats or integers.
        """
        numbers = np.ascontiguousarray(matrix, dtype=np.float64)
        # NaN is neither smaller nor larger than anything.
        if not (-self._largest <= numbers.min() and numbers.max() <= self._largest):
            return None
        return Columns.of_matrix(self._names, numbers)


def numbers_with_gaps(array: NDArray[Any]) -> list[Any]:
    """A column of floats, integers or booleans as Python's own values; NaN is null."""
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f":
        missing = np.isnan(array)
        if missing.any():
            for index in np.flatnonzero(missing).tolist():
                values[index] = None
    return values
