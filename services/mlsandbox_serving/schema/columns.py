"""Checked rows of one request or of several, in the form in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Columns:
    """Checked input: values of each column, integers and floats of their column's type, null as None.

    Held as lists by name, as one tuple per row, or as one matrix: whoever makes it hands over what it has, and nothing is turned before
    somebody asks. What was handed over is no longer changed.

    Args:
        by_name: per column a list of JSON values, all of the length `rows`; None when `tuples` or `matrix` has them.
        rows: how many there are.
        names: of the columns in their order; of `by_name` when left out.
        tuples: one per row.
        matrix: shape (rows, columns).
    """

    __slots__ = ("_by_name", "matrix", "names", "rows", "tuples")

    def __init__(
        self,
        by_name: dict[str, list[Any]] | None,
        rows: int,
        *,
        names: tuple[str, ...] = (),
        tuples: list[tuple[Any, ...]] | None = None,
        matrix: NDArray[np.float64] | None = None,
    ) -> None:
        self._by_name = by_name
        self.names = names if by_name is None else tuple(by_name)
        self.rows = rows
        self.tuples = tuples
        self.matrix = matrix

    @classmethod
    def of_tuples(cls, names: tuple[str, ...], tuples: list[tuple[Any, ...]]) -> Columns:
        """Rows as tuples of JSON values in the order of `names`."""
        return cls(None, len(tuples), names=names, tuples=tuples)

    @classmethod
    def of_matrix(cls, names: tuple[str, ...], matrix: NDArray[np.float64]) -> Columns:
        """Rows of finite numbers, shape (rows, columns); only where every column is of type "float"."""
        return cls(None, len(matrix), names=names, matrix=matrix)

    @property
    def by_name(self) -> dict[str, list[Any]]:
        """Per column a list of JSON values."""
        if self._by_name is None:
            self._by_name = self._first(self.rows)
        return self._by_name

    def head(self, rows: int) -> dict[str, list[Any]]:
        """Per column the JSON values of the first rows, at most so many."""
        if rows >= self.rows:
            return self.by_name
        if self._by_name is None:
            return self._first(rows)
        return {name: values[:rows] for name, values in self._by_name.items()}

    def array(self, dtype: np.dtype[Any], *, order: Literal["C", "F"]) -> NDArray[Any]:
        """All values as a new array of numbers, shape (rows, columns); None becomes NaN.

        Args:
            dtype: a float; or an integer or boolean where no value is None.
            order: of its memory: row by row ("C"), or column by column as in a DataFrame ("F").
        """
        if self.matrix is not None:
            return np.array(self.matrix, dtype=dtype, order=order)
        if self.tuples is not None:
            return np.array(self.tuples, dtype=dtype, order=order)
        by_column = np.array(list(self.by_name.values()), dtype=dtype).T
        return by_column if order == "F" else np.ascontiguousarray(by_column)

    @staticmethod
    def joined(parts: Sequence[Columns]) -> Columns:
        """The rows of all parts, in their order; parts are of one schema, and stay as they are."""
        first = parts[0]
        if len(parts) == 1:
            return first
        tuples = [part.tuples for part in parts if part.tuples is not None]
        if len(tuples) == len(parts):
            return Columns.of_tuples(first.names, list(chain.from_iterable(tuples)))
        matrices = [part.matrix for part in parts if part.matrix is not None]
        if len(matrices) == len(parts):
            return Columns.of_matrix(first.names, np.concatenate(matrices))
        by_name = [part.by_name for part in parts]
        joined = {name: list(chain.from_iterable(one[name] for one in by_name)) for name in first.by_name}
        return Columns(joined, sum(part.rows for part in parts))

    def _first(self, rows: int) -> dict[str, list[Any]]:
        if self.matrix is not None:
            return dict(zip(self.names, self.matrix[:rows].T.tolist(), strict=True))
        tuples = self.tuples or []
        if len(tuples) > rows:
            tuples = tuples[:rows]
        if len(tuples) == 1:
            return {name: [value] for name, value in zip(self.names, tuples[0], strict=True)}
        values: list[list[Any]] = list(map(list, zip(*tuples, strict=True))) or [[] for _ in self.names]
        return dict(zip(self.names, values, strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Columns):
            return NotImplemented
        return self.rows == other.rows and self.by_name == other.by_name

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        return f"Columns({self.by_name!r}, {self.rows})"
