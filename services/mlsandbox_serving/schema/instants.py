"""Dates and times of a datetime column: ISO 8601 texts, with an offset exactly when the column has a time zone."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, Final

import numpy as np

_ISO: Final = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(?P<offset>Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)


class Instants:
    """Reads the texts of one column.

    Args:
        dtype: a pandas dtype: "datetime64[ns]", "datetime64[us, Europe/Berlin]".
    """

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._zoned = "," in dtype or "tz=" in dtype
        self.expected = "a date and time like 2024-05-31T12:00:00" + ("+02:00 (with its offset)" if self._zoned else " (without an offset)")

    def parse(self, values: list[str | None]) -> Any:
        """A pandas Series of the column's dtype (NaT for None), or None when one of the texts is not an instant of that kind."""
        pd = import_module("pandas")  # models without dates run without it

        if any(value is not None and self._shape_problem(value) for value in values):
            return None
        try:
            series = pd.Series(pd.to_datetime(pd.Series(values, dtype="object"), format="ISO8601", utc=self._zoned))
            return series.astype(self._dtype)
        except (ValueError, OverflowError):
            return self._beyond_nanoseconds(values)

    def problem(self, value: str) -> str | None:
        """What is wrong with one text; None when nothing is."""
        shape = self._shape_problem(value)
        if shape is not None:
            return shape
        return None if self.parse([value]) is not None else "no such date, or out of range"

    def _beyond_nanoseconds(self, values: list[str | None]) -> Any:
        """Before version 3 pandas reads through nanoseconds, which end in 2262; numpy reads the coarser units directly."""
        if self._dtype not in {"datetime64[s]", "datetime64[ms]", "datetime64[us]"}:
            return None
        try:
            return import_module("pandas").Series(np.array(["NaT" if value is None else value for value in values], dtype=self._dtype))
        except ValueError:
            return None

    def _shape_problem(self, value: str) -> str | None:
        match = _ISO.fullmatch(value)
        if match is None:
            return "not a date"
        if self._zoned != (match["offset"] is not None):
            return "an offset is missing" if self._zoned else "an offset is not allowed"
        return None
