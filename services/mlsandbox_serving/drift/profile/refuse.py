"""Columns that no reference can speak for: identifiers, clocks and counters are new in every row."""

from __future__ import annotations

from typing import Final

import numpy as np

from mlsandbox_serving.drift.cells import FEW
from mlsandbox_serving.drift.profile.definition import ValueType
from mlsandbox_serving.drift.values import Floats, Values, frequencies, instants, numbers

_ENOUGH_COLLISIONS: Final = 10.0
_STEADILY: Final = 0.95


def reason_to_refuse(values: Values, of: ValueType) -> str | None:
    """Why a column cannot be watched; None for one that can."""
    if of == "text":
        return _text_reason(values)
    if of == "date":
        return _clock_reason(instants(values))
    return _integer_reason(numbers(values)) if of == "number" else None


def _text_reason(values: Values) -> str | None:
    frequency = frequencies(values)
    once = sum(count == 1 for count in frequency.values())
    rows = sum(frequency.values())
    if len(frequency) > FEW and once * 2 > rows:
        return f"an identifier or free text: {once} of {rows} values occur once"
    return None


def _clock_reason(found: Floats) -> str | None:
    present = found[np.isfinite(found)]
    if len(np.unique(present)) > FEW and np.mean(np.diff(present) >= 0) >= _STEADILY:
        return "a clock: it grows from row to row, so that every later value is out of the reference's range"
    return None


def _integer_reason(found: Floats) -> str | None:
    """Whole numbers that are drawn without repetition, or that count up.

    n numbers drawn at random from a range of r have about n²/2r pairs alike, and more when some of them are more likely. Amounts
    repeat so, numbers that were given out one by one do not.
    """
    present = found[np.isfinite(found)]
    if len(present) <= FEW or not np.all(present == np.floor(present)):
        return None
    rows, distinct = len(present), len(np.unique(present))
    if distinct * 2 <= rows:
        return None
    expected = rows * rows / 2 / (float(present.max()) - float(present.min()) + 1)
    if expected >= _ENOUGH_COLLISIONS and rows - distinct < expected / 4:
        return f"an identifier: {distinct} different whole numbers in {rows} rows, of a range in which amounts would repeat"
    if distinct == rows and (np.all(np.diff(present) > 0) or np.all(np.diff(present) < 0)):
        return "a counter: it grows or falls with every row"
    return None
