"""Rows of ten columns for tests of drift: eight of numbers, two of them related, and two of categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORRELATION = 0.6
LETTERS = np.array(list("abcdefghij"), dtype=object)
COLOURS = np.array(["red", "green", "blue", "white"], dtype=object)
COLOUR_SHARES = (0.6, 0.2, 0.1, 0.1)
Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Change:
    """How rows differ from the reference; the fields that are not set leave it as it is.

    Args:
        shift: of `x0`, in standard deviations.
        stretch: variance of `x0`.
        grow: category "a" of `letter` grows from 10% to this.
        new: share of a colour that the reference does not have.
        missing: share of `x0`.
        correlation: of `x1` and `x2`.
        gradual: rows over which `shift` grows from 0.
    """

    shift: float = 0.0
    stretch: float = 1.0
    grow: float = 0.1
    new: float = 0.0
    missing: float = 0.0
    correlation: float = CORRELATION
    gradual: int = 0


NONE = Change()


def rows(random: np.random.Generator, count: int, change: Change = NONE, first: int = 0) -> Rows:
    """Draw rows; `first` is how many came before since the change began."""
    table: Rows = {f"x{index}": column for index, column in enumerate(random.standard_normal((8, count)))}
    table["x2"] = change.correlation * table["x1"] + np.sqrt(1 - change.correlation**2) * table["x2"]
    part = np.minimum((first + np.arange(count)) / change.gradual, 1.0) if change.gradual else 1.0
    table["x0"] = table["x0"] * np.sqrt(change.stretch) + change.shift * part
    if change.missing:
        table["x0"][random.random(count) < change.missing] = np.nan
    table["letter"] = _drawn(random, count, LETTERS, (change.grow, *[(1 - change.grow) / 9] * 9))
    table["colour"] = _drawn(random, count, COLOURS, COLOUR_SHARES)
    if change.new:
        table["colour"][random.random(count) < change.new] = "purple"
    return table


def _drawn(random: np.random.Generator, count: int, names: NDArray[Any], shares: tuple[float, ...]) -> NDArray[Any]:
    return names[np.searchsorted(np.cumsum(shares)[:-1], random.random(count), side="right")]
