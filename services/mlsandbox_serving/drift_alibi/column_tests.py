"""The tests of single columns: alibi-detect's TabularDrift, one per column, since columns have different rows without missing values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlsandbox_serving.drift.values import Floats
from mlsandbox_serving.drift_alibi.columns import Column
from mlsandbox_serving.drift_alibi.reference import check_columns
from mlsandbox_serving.drift_alibi.verdict import ColumnResult, Method


class ColumnTests:
    """Compares windows with the reference, column by column.

    Args:
        library: the module `alibi_detect.cd`.
        columns: what to test.
        width: columns of a table.
        p_value: of a false alarm in any of them; Bonferroni's correction gives each an equal part.
    """

    def __init__(self, library: Any, columns: Sequence[Column], width: int, p_value: float) -> None:
        self._width = width
        self._columns = tuple(columns)
        self._threshold = p_value / max(len(columns), 1)
        self._detectors = [
            library.TabularDrift(
                column.reference[:, None],
                p_val=self._threshold,
                categories_per_feature={} if column.method is Method.NUMBERS else {0: None},
            )
            for column in columns
        ]

    def compare(self, table: Floats) -> tuple[tuple[ColumnResult, ...], dict[str, str]]:
        """The results, the most improbable first, and by name what could not be compared.

        Raises:
            WrongColumns: the table has other columns than the reference.
        """
        check_columns(table, self._width)
        results: list[ColumnResult] = []
        problems: dict[str, str] = {}
        for column, detector in zip(self._columns, self._detectors, strict=True):
            values = column.read(table)
            if not len(values):
                continue  # all of them missing, of which the column of missing values tells
            try:
                data = detector.predict(values[:, None], drift_type="feature")["data"]
                p_value, distance = float(data["p_val"][0]), float(data["distance"][0])
            except Exception as error:  # noqa: BLE001 - the other columns are compared all the same
                problems[column.name] = f"{type(error).__name__}: {error}"
                continue
            if np.isnan(p_value) or np.isnan(distance):
                problems[column.name] = "its p-value is no number"
                continue
            drifted = p_value < self._threshold
            results.append(ColumnResult(column.name, column.kind, column.method, len(values), p_value, distance, self._threshold, drifted))
        results.sort(key=lambda result: (result.p_value, -result.distance))
        return tuple(results), problems
