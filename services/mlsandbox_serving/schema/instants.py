"""Dates and times of a datetime column: ISO 8601 texts, with an offset exactly when the column has a time zone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from typing import Any, Final

import numpy as np

_HOUR_MINUTE: Final = r"(?:[01]\d|2[0-3]):?[0-5]\d"
_ISO: Final = re.compile(
    rf"(?P<date>\d{{4}}-\d{{2}}-\d{{2}})(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{{1,9}})?)?(?P<offset>Z|[+-]{_HOUR_MINUTE})?)?",
    re.ASCII,
)
# Whole days that nanoseconds since 1970 reach in every time zone; coarser units reach all years of four digits.
_NANOSECOND_DAYS: Final = ("1677-09-23", "2262-04-09")
_ALL_DAYS: Final = ("0001-01-02", "9999-12-30")


class Instants:
    """Checks and reads the texts of one column.

    Args:
        dtype: a pandas dtype: "datetime64[ns]", "datetime64[us, Europe/Berlin]".
    """

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._zoned = "," in dtype or "tz=" in dtype
        self._first, self._last = _NANOSECOND_DAYS if "[ns" in dtype else _ALL_DAYS
        self.expected = "a date and time like 2024-05-31T12:00:00" + ("+02:00 (with its offset)" if self._zoned else " (without an offset)")

    def problem(self, value: str) -> str | None:
        """What is wrong with one text; None when nothing is."""
        match = _ISO.fullmatch(value)
        if match is None:
            return "not a date"
        if self._zoned != (match["offset"] is not None):
            return "an offset is missing" if self._zoned else "an offset is not allowed"
        if not self._first <= match["date"] <= self._last:
            return f"out of range of {self._dtype}"
        try:
            date.fromisoformat(match["date"])
        except ValueError:
            return "no such date"
        return None

    def read(self, values: Sequence[str | None]) -> Any:
        """Texts without a problem as a pandas Series of the column's dtype; NaT for None."""
        pd = import_module("pandas")  # models without dates run without it
        try:
            series = pd.Series(pd.to_datetime(pd.Series(values, dtype="object"), format="ISO8601", utc=self._zoned))
        except ValueError:
            # Before version 3 pandas reads through nanoseconds, which end in 2262; numpy reads the coarser units directly.
            if self._zoned:
                raise
            return pd.Series(np.array(["NaT" if value is None else value for value in values], dtype=self._dtype))
        return series.astype(self._dtype)
